"""Options that many commands take, each declared once."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from jobs.cli import output
from jobs.cli.past import AsOf, parsed

_USER = re.compile(r"^user:[\w.@-]+$")


class Format(StrEnum):
    """How a reading command answers."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def _form(asked: Format) -> Format:
    """To a command YAML is JSON: the same document, which ``output.as_json`` then spells otherwise."""
    output.write_yaml(asked=asked is Format.YAML)
    return Format.JSON if asked is Format.YAML else asked


def _user(text: str | None) -> str | None:
    if text is not None and not _USER.match(text):
        raise typer.BadParameter(f"{text!r} is no person; expected user:NAME")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("an empty reason is none")
    return text


Output = Annotated[
    Format,
    typer.Option("--output", "-o", callback=_form, help="How to answer: a table, or one document of JSON or YAML."),
]
Offline = Annotated[bool, typer.Option("--offline", help="Read the ledger's database, even when a cluster is up.")]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="Read this ledger: sqlite:////path/to/ledger.db or postgresql://user@host/name.",
    ),
]
Past = Annotated[
    AsOf | None,
    typer.Option(
        "--as-of",
        parser=parsed,
        metavar="TIME",
        help="Show what was so then: a time, a date (as it began, UTC) or a number of entries. [default: now]",
    ),
]
Principal = Annotated[
    str | None,
    typer.Option("--as", metavar="user:NAME", callback=_user, help="Who acts. [default: FLEETWARD_PRINCIPAL]"),
]
Reason = Annotated[str, typer.Option("--reason", callback=_said, help="Why; it stands in the ledger.")]
Model = Annotated[str, typer.Argument(metavar="NAME", help="The model's name.")]
Version = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="The version's number.")]
