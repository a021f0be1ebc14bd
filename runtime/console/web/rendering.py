"""Pages out of templates: strict, escaped, each in the same frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

import jinja2

from runtime.console.web.desk import Page, Visitor
from runtime.domain.ids import new_id
from runtime.domain.metrics import shown, spelled


@dataclass(frozen=True, slots=True)
class Place:
    """A page in the navigation; ``key`` goes there after g, ``counts`` names what waits there."""

    name: str
    path: str
    key: str
    counts: str = ""


PLACES = (
    Place("Fleet", "", "f"),
    Place("Approvals", "approvals", "a", "approvals"),
    Place("Findings", "findings", "i", "findings"),
    Place("Rollouts", "rollouts", "o", "rollouts"),
    Place("Decisions", "decisions", "d"),
    Place("Ledger", "ledger", "l"),
    Place("Inventory", "inventory", "v"),
    Place("Policies", "policies", "p"),
    Place("Cluster", "cluster", "c"),
    Place("Access", "access", "t"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a page."""

    base: str
    visitor: Visitor | None
    form_key: str
    waiting: Mapping[str, int]


def render(page: Page, frame: Frame, done: int | None = None) -> str:
    """The whole page."""
    navigation = [
        {"name": place.name, "path": place.path, "key": place.key, "waiting": frame.waiting.get(place.counts, 0)}
        for place in PLACES
    ]
    around = {
        "base": frame.base,
        "visitor": frame.visitor,
        "form_key": frame.form_key,
        "navigation": navigation,
        "title": page.title,
        "section": page.section,
        "size": page.size,
        "done": done,
        "once": new_id(),
    }
    return _environment().get_template(page.template).render({**around, **page.values})


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("runtime.console.web"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,  # names and reasons come from outside
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["in_path"] = lambda text: quote(str(text), safe="")
    made.filters["measured"] = _measured
    made.filters["spelled"] = spelled
    made.filters["words"] = lambda text: str(text).replace("_", " ")
    made.filters["count"] = lambda value: "\N{EN DASH}" if value is None else f"{value:,}"
    made.filters["plain"] = _plain
    return made


def _measured(value: float | None, metric: str) -> str:
    """A metric's value with the digits that it deserves."""
    return "\N{EN DASH}" if value is None else shown(metric.removeprefix("1 - "), value)


def _plain(value: Any) -> str:
    """A value of a document, as a cell shows it."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    return str(value)
