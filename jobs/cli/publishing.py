"""How checkpoints come out, as commands tell it: in ``fleetward status`` and ``fleetward ledger outsiders``.

An alarm is no part of a table that may be overlooked: it is a line on stderr and the exit code 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobs.cli import output
from jobs.cli.failing import CommandFailed

if TYPE_CHECKING:
    from runtime.witness.publication import Outsider, Publication


def document(found: Publication, now: datetime) -> dict[str, Any]:
    """As JSON, with what follows from it: ages, and how far behind each is."""
    age = found.age_seconds(now)
    return {
        **found.as_document(),
        "age_seconds": None if age is None else round(age, 1),
        "behind": found.entries - found.published,
        "outsiders": [{**each.as_document(), "behind": found.behind(each)} for each in found.outsiders],
        "alarms": list(found.alarms()),
    }


def fields(found: Publication, now: datetime) -> Iterator[tuple[str, object]]:
    """As lines of a status."""
    yield "checkpoint", _checkpoint(found, now)
    if found.failure:
        yield "checkpoint failure", found.failure
    for outsider in found.outsiders:
        yield outsider.name, _outsider(found, outsider)


def rows(found: Publication) -> Iterator[tuple[object, ...]]:
    """As a table: who, how many entries, how many behind, why."""
    yield "checkpoint", found.published, found.entries - found.published, found.failure
    for each in found.outsiders:
        yield each.name, each.handed, found.behind(each), each.contradiction or each.failure


def raise_alarms(found: Publication) -> None:
    """Pass silently unless something says that history was rewritten. Raises ``CommandFailed``."""
    first, *more = (*found.alarms(), "")
    for line in filter(None, more):
        output.note(f"ALARM: {line}")
    if first:
        raise CommandFailed(f"ALARM: {first}")


def _checkpoint(found: Publication, now: datetime) -> str:
    age = found.age_seconds(now)
    if age is None:
        return "none was published"
    return f"of {found.published:,} entries, {_span(age)} old, {found.entries - found.published:,} entries behind"


def _outsider(found: Publication, outsider: Outsider) -> str:
    told = f"holds {outsider.handed:,} entries, {found.behind(outsider):,} behind"
    return "; ".join(filter(None, (told, outsider.failure, outsider.contradiction)))


def _span(seconds: float) -> str:
    """To the unit that matters."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
