"""``fleetward inventory``: every model with what model-risk rules ask for, as it was at a moment."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.options import Database, Offline, Past
from jobs.cli.reading import Reader, reading

if TYPE_CHECKING:
    from runtime.domain.entry import Entry
    from runtime.evidence.inventory import Row
    from runtime.policy.accountable import Line

_PAGE = 1_000


class Form(StrEnum):
    """How it is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


_Form = Annotated[Form, typer.Option("--output", "-o", help="A table of the main columns; CSV or JSON of all fields.")]
_Days = Annotated[int, typer.Option("--days", min=1, max=3650, help="Actual use is counted over so many days.")]
_Store = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="Where segments lie. [default: FLEETWARD_STORE]")
]


def inventory(
    output_: _Form = Form.TABLE,
    days: _Days = 90,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    store: _Store = None,
    as_of: Past = None,
) -> None:
    """List all models with owner, risk, actual use, validation and what is overdue; with --as-of, as it was then."""
    from runtime.evidence.inventory import fleet_of, rows_of
    from runtime.policy.accountable import lines
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore

    objects = ObjectStore.open(store or Settings.from_environment().store)
    with (
        reading(offline=offline, database=database, as_of=as_of) as reader,
        output.working("reading the ledger and the decisions"),
    ):
        fleet = fleet_of(_entries(reader))
        last = fleet.last_time or datetime.now(UTC)
        now = last if as_of is not None else max(last, datetime.now(UTC))
        rows = {row.model: row for row in rows_of(fleet, objects, timedelta(days=days), now)}
    listed = [(line, rows[line.model]) for line in lines(fleet.state, now)]
    if output_ is Form.JSON:
        output.as_json({"as_of": _text(now), "days": days, "models": [_document(*each) for each in listed]})
    elif output_ is Form.CSV:
        typer.echo(_csv(listed), nl=False)
    else:
        _show(listed)


def _entries(reader: Reader) -> Iterator[Entry]:
    size = reader.size()
    for since in range(0, size, _PAGE):
        yield from reader.entries(since, min(_PAGE, size - since))


def _document(line: Line, row: Row) -> dict[str, Any]:
    said = {name: _plain(value) for name, value in asdict(line).items()}
    return {**said, "fields": row.fields}


def _csv(listed: list[tuple[Line, Row]]) -> str:
    """A column for each field of the line and of the row; what is not recorded begins with ``gap:``."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    for at, (line, row) in enumerate(listed):
        said = asdict(line)
        if not at:
            writer.writerow([*said, *(each["field"] for each in row.fields)])
        writer.writerow([*(_cell(value) for value in said.values()), *(_cell_of(each) for each in row.fields)])
    return written.getvalue()


def _cell_of(field: dict[str, Any]) -> str:
    return f"gap: {field['gap']}" if "gap" in field else _cell(field["value"])


def _cell(value: Any) -> str:
    """Text that a spreadsheet takes for text: what would begin a formula is quoted."""
    plain = _plain(value)
    if isinstance(plain, list) and all(isinstance(each, str) for each in plain):
        plain = ", ".join(plain)
    text = "" if plain is None else plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return _text(value)
    return list(value) if isinstance(value, tuple) else value


def _text(moment: datetime) -> str:
    from runtime.domain.base import rfc3339

    return rfc3339(moment)


def _show(listed: list[tuple[Line, Row]]) -> None:
    output.table(
        ("model", "owner", "tier", "where", "status", "serves", "until", "asked", "callers", "review due", "overdue"),
        (
            (
                line.model,
                line.person or line.team,
                line.risk_tier,
                line.environment,
                line.status,
                "" if line.champion is None else f"version {line.champion}",
                output.day(line.may_serve_until),
                _used(row, "records"),
                _used(row, "by_caller"),
                output.day(line.review_due),
                ", ".join(line.overdue),
            )
            for line, row in listed
        ),
        right=("asked", "callers"),
        wrapped=("overdue",),
    )


def _used(row: Row, name: str) -> int | None:
    used = row.value("actual use")
    if used is None:
        return None
    found = used[name]
    return len(found) if isinstance(found, dict) else found
