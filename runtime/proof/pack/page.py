"""A pack for people: one HTML page that needs nothing beside it, made from the other files and from nothing else."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import jinja2

from runtime.proof.pack.ledger import Ledger


class Head(NamedTuple):
    """The checkpoint that everything in the pack is proven under."""

    origin: str
    size: int
    root: str


def page(ledger: Ledger, documents: dict[str, Any], head: Head) -> bytes:
    """The page. The same files give the same page."""
    return (
        _template()
        .render(period=ledger.period, head=head, **{path.partition(".")[0]: said for path, said in documents.items()})
        .encode()
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("runtime.proof.pack", "."),
        undefined=jinja2.StrictUndefined,
        autoescape=True,  # names and reasons come from outside
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["second"] = _second
    environment.filters["words"] = _words
    return environment.get_template("page.html.j2")


def _second(time: str) -> str:
    """A time to the second."""
    return time[:19].replace("T", " ")


def _words(name: str) -> str:
    return name.replace("_", " ")
