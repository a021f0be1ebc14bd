"""The inventory of all models as of a moment: one pass over the ledger, one over the period's segments, a row a model.

    entries ──> the state, and by model the entries that concern it      (``Fleet.take``)
    segments ──> by model, who asked how often and what answered          (``count``)
    both ──> the row that an evidence pack has of its one model           (``proof.pack.inventory``)

Each field is what is recorded, or the reason why nothing is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain import events as e
from runtime.domain.base import rfc3339
from runtime.domain.entry import Entry
from runtime.domain.errors import DigestMismatch
from runtime.domain.fold import apply
from runtime.domain.keeping import BodiesDeleted
from runtime.domain.state import FleetState
from runtime.proof.pack.entries import Collected, Told
from runtime.proof.pack.form import Period
from runtime.proof.pack.inventory import inventory
from runtime.proof.pack.ledger import Ledger
from runtime.proof.pack.use import Body, Counts, Decisions, Sampled, SegmentUse, overrides_in
from runtime.storage.objects import ObjectMissing, ObjectStore
from runtime.storage.segments import SegmentMismatch, read_segment

_COUNTED = ("time", "model", "version", "variant", "caller", "flags")
_OF_THE_FLEET = (e.SpecApplied, e.DatasetPrepared)


@dataclass(slots=True)
class Fleet:
    """Takes a ledger's entries in order."""

    state: FleetState = field(default_factory=FleetState)
    last_time: datetime | None = None
    _own: dict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))
    _shared: list[Told] = field(default_factory=list)
    _segments: list[tuple[int, e.SegmentSealed]] = field(default_factory=list)
    _deleted: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        """The next entry."""
        apply(self.state, entry)
        self.last_time, event = entry.time, entry.event
        if isinstance(event, e.SegmentSealed):
            if event.content is e.SegmentContent.DECISIONS:
                self._segments.append((entry.seq, event))
            return
        if isinstance(event, BodiesDeleted):
            self._deleted |= dict.fromkeys(event.digests, event.models)
        told = _told(entry) if isinstance(event, _OF_THE_FLEET) else None
        if told is not None:
            self._shared.append(told)
        for model in self._concerned(event):
            self._own[model].append(told := told or _told(entry))

    def _concerned(self, event: Any) -> tuple[str, ...]:
        """The models that an entry concerns by name, by their batch, or by their hold."""
        if isinstance(event, e.RetrainingFinished):
            return self.state.batches[event.batch].models
        if event.kind == "legal_hold_released":
            return (self.state.holds[event.hold].model,)
        if event.kind == "subject_erasure_ordered":
            return tuple(dict.fromkeys(part.model for part in event.parts))
        named: tuple[str, ...] | None = getattr(event, "models", None)
        one: str | None = getattr(event, "model", None)
        return named or (() if one is None else (one,))

    def of(self, period: Period) -> Ledger | None:
        """One model's ledger; None where it was not declared by then."""
        specs = [each for each in self._shared if self._is_of(each, period.model)]
        told = sorted([*self._own.get(period.model, ()), *specs])
        return Ledger.of(Collected(period, told, self.state.size))

    def _is_of(self, told: Told, model: str) -> bool:
        known = self.state.models.get(model)
        return known is not None and told.event.get("name", told.event.get("spec")) == known.spec

    def segments(self, since: datetime, until: datetime) -> list[tuple[int, e.SegmentSealed]]:
        """Of decisions, as far as the period goes."""
        return [each for each in self._segments if each[1].first_time < until and each[1].last_time >= since]

    def deleted(self, digest: str) -> tuple[str, ...] | None:
        """The models whose records a body held, which is deleted; None for one that is there."""
        return self._deleted.get(digest)


@dataclass(frozen=True, slots=True)
class Row:
    """A model's fields, in order: a ``value`` with the entries that say it, or a ``gap``."""

    model: str
    fields: list[dict[str, Any]]

    def value(self, name: str) -> Any:
        """What a field says; None for a gap."""
        return next((each.get("value") for each in self.fields if each["field"] == name), None)


def fleet_of(entries: Iterable[Entry]) -> Fleet:
    """The fleet as these entries tell it."""
    fleet = Fleet()
    for entry in entries:
        fleet.take(entry)
    return fleet


def rows_of(fleet: Fleet, store: ObjectStore, span: timedelta, until: datetime) -> list[Row]:
    """A row a model, by name; use is counted over ``span`` before ``until``. Raises ``StoreUnavailable``."""
    since, end = until - span, until + timedelta(microseconds=1)  # a period's end is not in it
    used = _count(fleet, store, since, end)
    rows = []
    for model in sorted(fleet.state.models):
        ledger = fleet.of(Period(model, rfc3339(since), rfc3339(end)))
        if ledger is not None:
            rows.append(Row(model, inventory(ledger, used.of(model))))
    return rows


@dataclass(slots=True)
class _Used:
    """Counts by model, and which segments could be read."""

    records: Counter[str] = field(default_factory=Counter)
    by: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    read: list[SegmentUse] = field(default_factory=list)
    gone: dict[str, list[SegmentUse]] = field(default_factory=lambda: defaultdict(list))
    lost: list[SegmentUse] = field(default_factory=list)

    def of(self, model: str) -> Decisions:
        """What is known of one model's use; a segment that is not there may have held some of it."""
        records, by = self.records[model], partial(self._tally, model)
        counts = Counts(
            records=records,
            by_day=by("day"),
            by_version=by("version"),
            by_variant=by("variant"),
            by_caller=by("caller"),
            by_override=by("override"),
        )
        missing = (*self.gone.get(model, ()), *self.lost)
        return Decisions(counts=counts, segments=missing, sample=Sampled(records=0, whole=not records), passports=())

    def _tally(self, model: str, name: str) -> dict[str, int]:
        return dict(sorted(self.by[model, name].items()))


def _count(fleet: Fleet, store: ObjectStore, since: datetime, until: datetime) -> _Used:
    used = _Used()
    for seq, segment in fleet.segments(since, until):
        held = fleet.deleted(segment.digest)
        if held is not None:
            for model in held:
                used.gone[model].append(_unread(seq, segment, "deleted"))
            continue
        try:
            table = read_segment(store, segment.digest, _COUNTED)
        except ObjectMissing:
            used.lost.append(_unread(seq, segment, "missing"))
        except (DigestMismatch, SegmentMismatch):
            used.lost.append(_unread(seq, segment, "damaged"))
        else:
            _add(used, _inside(table, since, until))
    return used


def _unread(seq: int, segment: e.SegmentSealed, body: Body) -> SegmentUse:
    return SegmentUse(entry=seq, digest=segment.digest, records=segment.records, body=body)


def _inside(table: pa.Table, since: datetime, until: datetime) -> pa.Table:
    times = table["time"]
    bounds = [pa.scalar(each.astimezone(UTC), times.type) for each in (since, until)]
    return table.filter(pc.and_(pc.greater_equal(times, bounds[0]), pc.less(times, bounds[1])))


def _add(used: _Used, table: pa.Table) -> None:
    """Counts the records in Arrow; only those with flags are looked at one by one."""
    days = pc.strftime(table["time"], format="%Y-%m-%d")
    table = table.append_column("day", days)
    names = ("model", "day", "version", "variant", "caller")
    for group in table.select(names).group_by(list(names)).aggregate([([], "count_all")]).to_pylist():
        model, number = group["model"], group["count_all"]
        used.records[model] += number
        for name in names[1:]:
            used.by[model, name][str(group[name])] += number
    flagged = table.filter(pc.greater(pc.list_value_length(table["flags"]), 0)).select(["model", "flags"])
    for record in flagged.to_pylist():
        used.by[record["model"], "override"].update(overrides_in(record["flags"]))


def _told(entry: Entry) -> Told:
    document: Mapping[str, Any] = entry.as_document()
    return Told(entry.seq, document["time"], document["principal"], document["event"])
