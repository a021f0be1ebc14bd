"""What was decided, counted from decision records: by whom, when, by which version and variant, and how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictInt

from runtime.domain.base import Document, rfc3339
from runtime.domain.flags import REFUSED, rule_of
from runtime.domain.ids import Digest
from runtime.proof.pack.form import Time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: tuple[object, ...] = (None, "", [])
RULE: Final = "the records whose leaf hashes are the smallest"

Count = Annotated[StrictInt, Field(ge=0)]
Tally = dict[str, Count]
Body = Literal["read", "deleted", "of_others", "missing", "damaged"]
"""``deleted`` may have held records of the model; ``of_others`` is deleted by an entry that says it held none."""


class SegmentUse(Document):
    """A segment of the period: how many of its records are the model's and of the period, if it could be read."""

    entry: Count
    digest: Digest
    records: Count
    body: Body
    of_model: Count | None = None


class Sampled(Document):
    """Which of the records are in the pack; ``whole`` if all of them are."""

    records: Count
    whole: StrictBool
    rule: Literal["the records whose leaf hashes are the smallest"] = RULE


class PassportLine(Document):
    """A passport in the pack, or why there is none."""

    decision_id: str
    file: str | None = None
    why: str | None = None


class Counts(Document):
    """Records by what they say. ``latency_us`` are nearest ranks, ``columns`` those that hold a value in any record."""

    records: Count = 0
    by_day: Tally = {}
    by_version: Tally = {}
    by_variant: Tally = {}
    by_caller: Tally = {}
    by_day_version_variant: Tally = {}
    by_override: Tally = {}
    """Records on which a rule of the model's overrides fired, and those of requests that were refused for one."""
    latency_us: Tally = {}
    columns: tuple[str, ...] = ()
    first_time: Time | None = None
    last_time: Time | None = None


class Decisions(Document):
    """The file: what the records say, and where they lie."""

    counts: Counts
    segments: tuple[SegmentUse, ...]
    sample: Sampled
    passports: tuple[PassportLine, ...]


class Row(Document):
    """The columns of a decision record that are counted; a record has more."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: StrictInt
    time: StrictInt = Field(ge=0, lt=2**53)
    model: str
    version: StrictInt
    variant: str
    caller: str
    latency_us: StrictInt
    flags: tuple[str, ...] = ()


class Use:
    """Takes records and counts them; keeps one number a record, for the quantiles."""

    def __init__(self) -> None:
        self._days: Counter[str] = Counter()
        self._versions: Counter[str] = Counter()
        self._variants: Counter[str] = Counter()
        self._callers: Counter[str] = Counter()
        self._cells: Counter[str] = Counter()
        self._overrides: Counter[str] = Counter()
        self._latencies: list[int] = []
        self._columns: set[str] = set()
        self._times: tuple[int, int] | None = None

    def take(self, record: Mapping[str, Any]) -> None:
        """One record, by its columns."""
        time = record["time"]
        day, version, variant = rfc3339(moment_of(time))[:10], str(record["version"]), record["variant"]
        self._days[day] += 1
        self._versions[version] += 1
        self._variants[variant] += 1
        self._callers[record["caller"]] += 1
        self._cells[f"{day} version {version} {variant}"] += 1
        self._overrides.update(overrides_in(record.get("flags") or ()))
        self._latencies.append(record["latency_us"])
        self._columns.update(name for name, value in record.items() if value not in _NOTHING)
        low, high = self._times or (time, time)
        self._times = min(low, time), max(high, time)

    def counts(self) -> Counts:
        """What was taken so far."""
        return Counts(
            records=len(self._latencies),
            latency_us=_ranks(sorted(self._latencies)),
            columns=tuple(sorted(self._columns)),
            first_time=None if self._times is None else rfc3339(moment_of(self._times[0])),
            last_time=None if self._times is None else rfc3339(moment_of(self._times[1])),
            by_day=_tally(self._days),
            by_version=_tally(self._versions),
            by_variant=_tally(self._variants),
            by_caller=_tally(self._callers),
            by_day_version_variant=_tally(self._cells),
            by_override=_tally(self._overrides),
        )


def moment_of(microseconds: int) -> datetime:
    """The time of a record, which is microseconds since 1970-01-01 UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def overrides_in(flags: Iterable[str]) -> set[str]:
    """What fired on one record: each rule once, on however many features."""
    fired = {f"{rule[1]}: {rule[0]}" for flag in flags if (rule := rule_of(flag))}
    return fired | ({REFUSED} & {*flags})


def _tally(counter: Counter[str]) -> Tally:
    return dict(sorted(counter.items()))


def _ranks(ordered: list[int]) -> Tally:
    if not ordered:
        return {}
    at = {"p50": 50, "p90": 90, "p99": 99, "max": 100}
    return {name: ordered[-(-len(ordered) * percent // 100) - 1] for name, percent in at.items()}
