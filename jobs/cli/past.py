"""``--as-of``: a ledger as it stood after some of its entries, read through whoever reads all of them.

    42                            the first 42 entries: a size, such as a checkpoint or a receipt names it
    2026-03-01                    what was recorded until that day began, in UTC
    2026-03-01T12:00:05Z          what was recorded until then, RFC 3339; without a zone it is UTC

An entry of exactly that time is in. The time is the ledger's own, of recording; the data's time (a replayed
year, say) stands inside the entries.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import typer

from jobs.arguments import moment
from jobs.cli import output
from jobs.cli.folded import FoldedState

if TYPE_CHECKING:
    from jobs.cli.reading import Head, Reader
    from runtime.domain.entry import Entry

_PAGE = 1_000


class AsOf(NamedTuple):
    """A moment of the ledger: its size then, or a time."""

    moment: int | datetime


def parsed(text: str) -> AsOf:
    """What ``--as-of`` says. Raises ``typer.BadParameter``."""
    try:
        if text.isascii() and text.isdigit():
            return AsOf(int(text))
        return AsOf(moment(text.upper()).astimezone(UTC))
    except (ValueError, OverflowError) as error:
        expected = "a time of RFC 3339 (2026-03-01T12:00:00Z), a date, or a number of entries"
        raise typer.BadParameter(f"{text!r} is no moment; expected {expected}") from error


def past_of(reader: Reader, as_of: AsOf, now: datetime) -> PastReader:
    """The ledger as it stood then; a note beside the answer says how much of it that is.

    Raises ``typer.BadParameter`` for a moment that never was, or is not yet.
    """
    size = as_of.moment if isinstance(as_of.moment, int) else _size_at(reader, as_of.moment, now)
    whole = reader.size()
    if not 1 <= size <= whole:
        raise _no_moment(f"the ledger has had 1 to {whole:,} entries, never {size:,}" if whole else "it is empty")
    output.note(f"as of entry {size - 1}, {_shown(_time(reader, size - 1))}: {size:,} of {whole:,} entries")
    return PastReader(reader, size)


def _size_at(reader: Reader, time: datetime, now: datetime) -> int:
    """How many entries are of this time or an earlier one: times never decrease, so twenty of a million are read."""
    size = reader.size()
    if size == 0:
        return 0
    first, last = _time(reader, 0), _time(reader, size - 1)
    if time < first:
        raise _no_moment(f"{_shown(time)} is too early: the first entry is of {_shown(first)}")
    if time > max(now, last):
        raise _no_moment(f"{_shown(time)} lies in the future")
    return bisect_right(range(size), time, key=lambda seq: _time(reader, seq))


def _time(reader: Reader, seq: int) -> datetime:
    (entry,) = reader.entries(seq, 1)
    return entry.time


def _shown(time: datetime) -> str:
    from runtime.domain.base import rfc3339

    return rfc3339(time)


def _no_moment(reason: str) -> typer.BadParameter:
    return typer.BadParameter(reason, param_hint="--as-of")


class PastReader(FoldedState):
    """A ``Reader`` of the first ``size`` entries; it folds them when state is asked for."""

    def __init__(self, reader: Reader, size: int) -> None:
        self._reader = reader
        self._size = size
        self.source = reader.source

    def head(self) -> Head:
        from jobs.cli.reading import Head

        return Head(self._size, self.root(self._size), self._state.ticks_until)

    def root(self, size: int) -> str:
        return self._reader.root(size)

    def size(self) -> int:
        return self._size

    def entries(self, since: int, limit: int) -> list[Entry]:
        return self._reader.entries(since, min(limit, self._size - since)) if since < self._size else []

    def _entries_to_fold(self) -> Iterator[Entry]:
        for since in range(0, self._size, _PAGE):
            yield from self.entries(since, _PAGE)
