"""Outcomes out of files or a database, sorted before they are handed in.

    a source's row ─ readable? ─ of a decision that is recorded? ─ not told before? ─┬─ handed in
                                                                                     └─ left out, under a reason

What is left out is counted by its reason, with its first few names, and stops nothing. What was told before is left
out the second time, so a source may be handed in twice; the first word about a row counts, as in the monitor.
"""

from __future__ import annotations

import math
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain.decision import Variant
from runtime.domain.errors import DataError, RequestError
from runtime.domain.events import SegmentContent, SegmentSealed
from runtime.pipeline.asking import Request
from runtime.storage.objects import ObjectMissing, ObjectStore
from runtime.storage.segments import read_segment

Key: TypeAlias = tuple[str, int]
Truth: TypeAlias = Callable[[Any, str], float]
"""A truth, and where it stands, to a number. Raises ``RequestError``."""

ROWS_A_REQUEST = 5_000
SHOWN_NAMES = 5
_LONGEST_NAME = 80
_ROWS = 1 << 31
_CLOCKS_APART = timedelta(days=1)
"""A time further ahead than this is no outcome yet."""


class Left(StrEnum):
    """Why a row is not handed in."""

    NO_DECISION = "no decision id"
    NO_ROW = "no row number"
    NO_ACTUAL = "no actual yet"
    WRONG_ACTUAL = "an actual that the model cannot have"
    NO_TIME = "no readable time"
    OTHER_TIME = "of another time"
    AHEAD = "of a time to come"
    UNKNOWN = "of a decision that is not recorded"
    KNOWN = "told before"
    CONTRADICTED = "told before, with another actual"


@dataclass(frozen=True, slots=True)
class Columns:
    """The source's columns: ``row`` and ``time`` may be absent, and every row is row 0 of its decision then."""

    decision: str = "decision_id"
    actual: str = "actual"
    row: str | None = None
    time: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are read."""
        return tuple(name for name in (self.decision, self.actual, self.row, self.time) if name is not None)

    @classmethod
    def found_in(cls, present: Iterable[str], decision: str, actual: str, row: str | None, time: str | None) -> Columns:
        """These columns; ``row`` is the column of that name, where there is one. Raises ``DataError``."""
        names = list(present)
        asked = cls(decision, actual, row or ("row" if "row" in names else None), time)
        if absent := [name for name in asked.names if name not in names]:
            raise DataError("outcomes", f"no column {', '.join(absent)}; columns are {', '.join(names)}")
        return asked


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded of one model: how many rows each decision has, and what came of them so far.

    ``missing`` segments are named and gone: a decision may be theirs, so none is called unknown.
    """

    rows: Mapping[str, int]
    told: Mapping[Key, float]
    missing: int = 0

    def has(self, key: Key) -> bool:
        """Whether the row may have been answered."""
        rows = self.rows.get(key[0])
        return bool(self.missing) if rows is None else key[1] < rows


def recorded_of(store: ObjectStore, segments: Iterable[SegmentSealed], model: str) -> Recorded:
    """From the segments that the ledger names. Raises what ``read_segment`` raises of changed bytes."""
    rows: dict[str, int] = {}
    told: dict[Key, float] = {}
    missing = 0
    for segment in segments:
        is_decision = segment.content is SegmentContent.DECISIONS
        columns = ("decision_id", "row", "variant" if is_decision else "actual")
        try:
            table = read_segment(store, segment.digest, ("model", *columns), models=lambda name: name == model)
        except ObjectMissing:  # its time of keeping may be over
            missing += 1
            continue
        if is_decision:
            _add_rows(rows, table.filter(pc.not_equal(table["variant"], Variant.SHADOW.value)))
        else:
            for name, row, actual in zip(*(table[column].to_pylist() for column in columns), strict=True):
                told.setdefault((name, row), actual)
    return Recorded(rows, told, missing)


def _add_rows(rows: dict[str, int], table: pa.Table) -> None:
    last = table.group_by("decision_id").aggregate([("row", "max")])
    for name, row in zip(last["decision_id"].to_pylist(), last["row_max"].to_pylist(), strict=True):
        rows[name] = max(rows.get(name, 0), row + 1)


@dataclass(slots=True)
class Tally:
    """What became of the source's rows."""

    read: int = 0
    handed_in: int = 0
    left: Counter[Left] = field(default_factory=Counter)
    names: dict[Left, list[str]] = field(default_factory=dict)
    """The first few of each reason."""
    failed: int = 0
    """Rows of requests that were not answered well; they may be handed in again."""
    failures: list[str] = field(default_factory=list)

    def leave(self, reason: Left, name: str) -> None:
        """Counts a row that is left out."""
        self.left[reason] += 1
        names = self.names.setdefault(reason, [])
        if len(names) < SHOWN_NAMES:
            names.append(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "...")

    def as_document(self) -> dict[str, Any]:
        """Plain JSON values."""
        left = {
            reason.name.lower(): {"rows": self.left[reason], "first": self.names[reason]}
            for reason in Left
            if self.left[reason]
        }
        return {
            "read": self.read,
            "handed_in": self.handed_in,
            "left_out": left,
            "failed": self.failed,
            "failures": self.failures,
        }


@dataclass(frozen=True, slots=True)
class Period:
    """Outcomes with ``since <= time < until``; all, without a bound. ``now`` is the clock of who hands them in."""

    now: datetime
    since: datetime | None = None
    until: datetime | None = None

    def refused(self, time: datetime) -> Left | None:
        """Why an outcome of this time is left out."""
        if time > self.now + _CLOCKS_APART:
            return Left.AHEAD
        after = self.since is None or time >= self.since
        return None if after and (self.until is None or time < self.until) else Left.OTHER_TIME


class _LeftOut(NamedTuple):
    """A row that is not handed in."""

    reason: Left
    why: str = ""


class Sorting:
    """Takes a source's batches one after another; what comes out is to be handed in."""

    def __init__(self, columns: Columns, truth: Truth, recorded: Recorded, period: Period) -> None:
        self.tally = Tally()
        self._columns, self._truth, self._recorded, self._period = columns, truth, recorded, period
        self._now: dict[Key, float] = {}
        """What this source told."""

    def take(self, batch: pa.Table) -> list[dict[str, Any]]:
        """The good rows of a batch, as the wire has them."""
        given = {name: batch[name].to_pylist() for name in self._columns.names}
        nothing: list[Any] = [None] * batch.num_rows
        ids, actuals = given[self._columns.decision], given[self._columns.actual]
        rows = [0] * batch.num_rows if self._columns.row is None else given[self._columns.row]
        times = nothing if self._columns.time is None else given[self._columns.time]
        found = (self._sorted(*each) for each in zip(ids, rows, actuals, times, strict=True))
        return [each for each in found if each is not None]

    def _sorted(self, id_: Any, row: Any, actual: Any, time: Any) -> dict[str, Any] | None:
        self.tally.read += 1
        name, number = _decision_id(id_), _whole(row)
        if name is None or number is None:
            reason, found = (Left.NO_DECISION, id_) if name is None else (Left.NO_ROW, row)
            self.tally.leave(reason, f"{found!r} in row {self.tally.read} of the source")
            return None
        found = self._judged((name, number), actual, time)
        if isinstance(found, _LeftOut):
            called = name if self._columns.row is None else f"{name} row {number}"
            self.tally.leave(found.reason, f"{called}{found.why}")
            return None
        wire, self._now[name, number] = found
        return {"decision_id": name, "row": number, "actual": wire}

    def _judged(self, key: Key, actual: Any, time: Any) -> _LeftOut | tuple[Any, float]:
        """Why the row is left out, or its truth as the wire has it, and as a number."""
        late = None if self._columns.time is None else self._of_time(time)
        if late is not None:
            return _LeftOut(late, f": {time}")
        if _is_absent(actual):
            return _LeftOut(Left.NO_ACTUAL)
        told = self._told(actual)
        if told is None:
            return _LeftOut(Left.WRONG_ACTUAL, f": {actual!r}")
        if not self._recorded.has(key):
            return _LeftOut(Left.UNKNOWN)
        value, before = told[1], self._recorded.told.get(key, self._now.get(key))
        if before is None:
            return told
        return (
            _LeftOut(Left.KNOWN) if before == value else _LeftOut(Left.CONTRADICTED, f": {value:g}, before {before:g}")
        )

    def _of_time(self, value: Any) -> Left | None:
        time = _moment(value)
        return Left.NO_TIME if time is None else self._period.refused(time)

    def _told(self, actual: Any) -> tuple[Any, float] | None:
        """The truth as the wire has it, and as a number; of a text the name of a class goes before a number."""
        for value in _readings(actual):
            try:
                return value, self._truth(value, "actual")
            except RequestError:
                continue
        return None


def requests(model: str, rows: Iterable[dict[str, Any]], size: int = ROWS_A_REQUEST) -> Iterator[Request]:
    """The rows as requests of the outcomes endpoint, in their order."""
    waiting: list[dict[str, Any]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == size:
            yield _request(model, waiting)
            waiting = []
    if waiting:
        yield _request(model, waiting)


def _request(model: str, rows: list[dict[str, Any]]) -> Request:
    return Request(f"/v2/models/{model}/outcomes", orjson.dumps({"outcomes": rows}), len(rows))


# --- cells of a source -----------------------------------------------------------------------------


def _decision_id(value: Any) -> str | None:
    """A UUID in its canonical form."""
    try:
        return str(value if isinstance(value, uuid.UUID) else uuid.UUID(value))
    except (ValueError, AttributeError, TypeError):
        return None


def _whole(value: Any) -> int | None:
    """A row's number, also where a file holds it as a text or as 3.0."""
    if isinstance(value, bool):
        return None
    try:
        number = int(value) if isinstance(value, str) else value
        whole = int(number)
    except (TypeError, ValueError, OverflowError):
        return None
    return whole if whole == number and 0 <= whole < _ROWS else None


def _is_absent(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _readings(value: Any) -> Iterator[Any]:
    """What a cell may mean, in the order it is tried; of what the wire has no type for, nothing."""
    if isinstance(value, str):
        yield value
    try:
        number = float(value) if isinstance(value, str | int | float | Decimal) else math.nan
    except (OverflowError, ValueError):
        return
    if not isinstance(value, bool) and math.isfinite(number):
        yield int(value) if isinstance(value, int) else number


def _moment(value: Any) -> datetime | None:
    """A time, a date or a text of ISO 8601; without a zone it is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime) or value != value:  # noqa: PLR0124 - pandas' NaT is a datetime
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
