"""What a command prints: tables for people, one JSON document for programs, messages beside both on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDE = 200
"""Columns where nobody looks at a terminal: a name in a pipe must not be cut."""


_WRITTEN = {"yaml": False}
"""What ``-o`` asked documents to be written as, in this process."""


def write_yaml(*, asked: bool) -> None:
    """Whether the one document is to be YAML in place of JSON."""
    _WRITTEN["yaml"] = asked


def as_json(document: Any) -> None:
    """The one document on stdout: JSON, or the same as YAML where ``-o yaml`` asked for it."""
    if _WRITTEN["yaml"]:
        as_yaml(document)
    else:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def as_yaml(document: Any) -> None:
    """A document on stdout, as YAML."""
    import yaml

    typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=_WIDE), nl=False)


def note(message: str) -> None:
    """A remark that is no part of the answer."""
    typer.echo(message, err=True)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = (), wrapped: Sequence[str] = ()
) -> None:
    """Rows under their columns: ``right`` hold numbers, ``wrapped`` share the room that the others leave."""
    printed = _plain_table()
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        printed.add_column(column, justify=justify, no_wrap=column not in wrapped, overflow="fold")
    for row in rows:
        printed.add_row(*(_cell(value) for value in row))
    _print(printed)


def fields(rows: Iterable[tuple[str, object]]) -> None:
    """Names and their values, one below the other."""
    from rich.table import Table

    printed = Table.grid(padding=(0, 2))
    printed.add_column(style="bold", no_wrap=True)
    printed.add_column(overflow="fold")
    for name, value in rows:
        printed.add_row(name, _cell(value))
    _print(printed)


def lines(texts: Iterable[str]) -> None:
    """Plain lines."""
    for text in texts:
        typer.echo(text)


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on stderr while something takes time; in a log it stays silent."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what} ..."):
        yield


def moment(value: datetime | None) -> str:
    """A time to the second, in UTC."""
    return "" if value is None else f"{value:%Y-%m-%d %H:%M:%S}"


def day(value: datetime | None) -> str:
    """A date, in UTC."""
    return "" if value is None else f"{value:%Y-%m-%d}"


def _print(printed: Table) -> None:
    """Without the blanks that fill each line up."""
    console = _console()
    with console.capture() as captured:
        console.print(printed)
    lines(line.rstrip() for line in captured.get().splitlines() if line.strip())


def _plain_table() -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")


def _console() -> Console:
    from rich.console import Console

    # What is printed comes from specs and reasons: a bracket or a :word: in it is text, not markup.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE
    return Console(width=width, markup=False, emoji=False, highlight=False)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
