"""Deletes the bodies of records whose time is over; entries, leaf hashes and record roots stay.

    segments of the ledger, less those deleted before
    old enough for the shortest time?              else kept, and not even opened
    which models are in it?                        from its own column
    may it go?                                     ``runtime.policy.retention``
    entry ``bodies_deleted``, 256 digests at most  <- the governor refuses it where a hold came meanwhile
    delete from the store

The entry stands first. Killed in between, the store holds bodies that the ledger calls deleted: each run begins by
deleting what earlier entries name. On a store that keeps versions or locks objects the old ones stay until it lets
them go; that is the store's own retention, and not seen from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from runtime.domain.entry import Draft, Entry
from runtime.domain.events import SegmentSealed
from runtime.domain.ids import derived_id
from runtime.domain.keeping import BodiesDeleted
from runtime.policy.retention import YOUNG, kept_because
from runtime.storage.objects import ObjectMissing, ObjectStore
from runtime.storage.segments import read_segment

MISSING = "missing from the store"
REASON = "kept for the time of capture.keep_for"
BATCH = 256
"""Digests in one entry: its leaf stays under 20 kB."""


class Body(NamedTuple):
    """A segment whose body may go, and the models in it."""

    segment: SegmentSealed
    models: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do: ``again`` are digests that an entry calls deleted and the store still holds."""

    bodies: tuple[Body, ...]
    again: tuple[str, ...]
    kept: Mapping[str, int]
    """How many segments stay, by the reason."""


class Rules(NamedTuple):
    """How long each model's records are kept, which models are held, and the time."""

    keep_for: Mapping[str, timedelta]
    held: Collection[str]
    now: datetime


def plan(entries: Iterable[Entry], rules: Rules, store: ObjectStore) -> Plan:
    """What may go of all that the ledger names. Raises what the store raises, but for a body that is missing."""
    sealed: dict[str, SegmentSealed] = {}
    deleted: dict[str, None] = {}
    for entry in entries:
        if isinstance(entry.event, SegmentSealed):
            sealed[entry.event.digest] = entry.event
        elif isinstance(entry.event, BodiesDeleted):
            deleted.update(dict.fromkeys(entry.event.digests))
    kept: Counter[str] = Counter()
    bodies = []
    for segment in sealed.values():
        if segment.digest not in deleted:
            models = _models_of(segment, rules, store)
            reason = models if isinstance(models, str) else _reason(segment, models, rules)
            if reason is None and not isinstance(models, str):
                bodies.append(Body(segment, models))
            elif reason is not None:
                kept[reason] += 1
    return Plan(tuple(bodies), tuple(digest for digest in deleted if store.exists(digest)), dict(kept))


def carry_out(planned: Plan, store: ObjectStore, record: Callable[[Draft], object], principal: str) -> Iterator[int]:
    """Delete what is planned; gives the number of bodies as they go. Raises the governor's refusal.

    Safe to repeat, and after any fault: plan again, and carry that out.
    """
    for digest in planned.again:
        store.delete(digest)
        yield 1
    for start in range(0, len(planned.bodies), BATCH):
        batch = planned.bodies[start : start + BATCH]
        event = _event(batch)
        record(Draft(event, principal, derived_id(event.kind, *event.digests)))
        for digest in event.digests:
            store.delete(digest)
        yield len(batch)


def _models_of(segment: SegmentSealed, rules: Rules, store: ObjectStore) -> frozenset[str] | str:
    """The models in a segment, or why it stays unopened."""
    if segment.last_time + min(rules.keep_for.values(), default=timedelta.max) >= rules.now:
        return YOUNG
    try:
        return frozenset(read_segment(store, segment.digest, ["model"])["model"].to_pylist())
    except ObjectMissing:
        return MISSING


def _reason(segment: SegmentSealed, models: frozenset[str], rules: Rules) -> str | None:
    return kept_because(models, segment.last_time, keep_for=rules.keep_for, held=rules.held, now=rules.now)


def _event(bodies: tuple[Body, ...]) -> BodiesDeleted:
    return BodiesDeleted(
        digests=tuple(body.segment.digest for body in bodies),
        models=tuple(sorted(frozenset().union(*(body.models for body in bodies)))),
        records=sum(body.segment.records for body in bodies),
        before=max(body.segment.last_time for body in bodies),
        reason=REASON,
    )
