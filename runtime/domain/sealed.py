"""Where decisions may lie, as the ledger knows it: what a governor tells a replica that looks for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from runtime.domain.entry import Entry
from runtime.domain.events import SegmentContent, SegmentSealed
from runtime.domain.ids import Digest, time_of
from runtime.domain.keeping import BodiesDeleted

KINDS = ("segment_sealed", "bodies_deleted")
"""The entries that ``likely`` reads."""
_SKEW = timedelta(minutes=10)
"""How far the time in a decision's id may lie from the one its replica wrote down."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Segments that may hold a decision and whose bodies were not deleted, the newest first."""

    segments: tuple[SegmentSealed, ...]
    baselines: Mapping[int, Digest]
    """By the model's version, as it was registered."""


def likely(decision_id: str, entries: Iterable[Entry]) -> tuple[SegmentSealed, ...]:
    """The segments for ``Sealed``, from the ledger's entries of ``KINDS``, in order."""
    fitting: dict[str, SegmentSealed] = {}
    for entry in entries:
        event = entry.event
        if isinstance(event, BodiesDeleted):
            for digest in event.digests:
                fitting.pop(digest, None)
        elif isinstance(event, SegmentSealed) and _may_hold(decision_id, event):
            fitting[event.digest] = event
    return tuple(sorted(fitting.values(), key=lambda each: each.last_time, reverse=True))


def _may_hold(decision_id: str, segment: SegmentSealed) -> bool:
    """Whether the time that the id begins with lies within the segment's; an id without a time may be anywhere."""
    if segment.content is not SegmentContent.DECISIONS:
        return False
    time = time_of(decision_id)
    return time is None or segment.first_time - _SKEW <= time <= segment.last_time + _SKEW
