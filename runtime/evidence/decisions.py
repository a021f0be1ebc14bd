"""Finding a decision in sealed segments, and proving its records under the segment's record root."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from types import MappingProxyType
from typing import Any

import pyarrow.compute as pc

from runtime.domain import canonical
from runtime.domain.decision import Variant
from runtime.domain.events import SegmentSealed
from runtime.domain.ids import time_of
from runtime.evidence.errors import BodyDeleted, DecisionUnknown, EvidenceMissing
from runtime.evidence.ledger import Found
from runtime.ledger.merkle import inclusion_proof, leaf_hash
from runtime.proof.passport import ProvenDecision, ProvenRecord
from runtime.storage.leaves import record_leaves
from runtime.storage.objects import ObjectMissing, ObjectStore
from runtime.storage.segments import read_segment

_SKEW = timedelta(minutes=10)
"""How far the time in a decision's id may lie from the one its replica wrote down."""


@dataclass(frozen=True, slots=True)
class FoundDecision:
    """An answered request's records, proven, and the segment that holds them."""

    segment: Found[SegmentSealed]
    model: str
    version: int
    grant_id: str
    proven: ProvenDecision


def find_decision(
    decision_id: str,
    segments: Iterable[Found[SegmentSealed]],
    store: ObjectStore,
    *,
    version: int | None = None,
    deleted: Mapping[str, int] = MappingProxyType({}),
) -> FoundDecision:
    """The decision as it was answered, or as ``version`` answered it.

    A request sent again under its id has several answers: the first is given. Shadow answers, which nobody received,
    are given only when their version is asked for. ``deleted`` are the digests of bodies that the ledger calls deleted,
    with the entry that says so: nothing is given out of them, though the store may still hold one. Raises
    ``DecisionUnknown``, ``BodyDeleted``, ``EvidenceMissing``.
    """
    gone: list[str] = []
    over: list[Found[SegmentSealed]] = []
    for segment in _likely_first(decision_id, segments):
        if segment.event.digest in deleted:
            over.append(segment)
            continue
        try:
            for found in answers(decision_id, segment, store):
                if version is None or found.version == version:
                    return found
        except ObjectMissing:
            gone.append(segment.event.digest)
    if gone:
        raise EvidenceMissing(f"decision {decision_id}", f"{len(gone)} segments are gone from the store, as {gone[0]}")
    if fitting := [segment for segment in over if _may_hold(decision_id, segment)]:
        entries = ", ".join(str(seq) for seq in sorted({deleted[segment.event.digest] for segment in fitting}))
        raise BodyDeleted(
            f"decision {decision_id}",
            f"it may have been in {len(fitting)} segments whose bodies retention deleted (ledger entry {entries})",
        )
    asked = "" if version is None else f" by version {version}"
    raise DecisionUnknown(f"decision {decision_id}", f"no sealed segment under the checkpoint holds it{asked}")


def _likely_first(decision_id: str, segments: Iterable[Found[SegmentSealed]]) -> list[Found[SegmentSealed]]:
    """In order of time; if the id is a UUIDv7, which begins with its time, those around it before all others."""
    ordered = sorted(segments, key=lambda found: (found.event.first_time, found.seq))
    return sorted(ordered, key=lambda found: not _may_hold(decision_id, found))


def _may_hold(decision_id: str, found: Found[SegmentSealed]) -> bool:
    """Whether the time that the id begins with lies within the segment's; an id without a time may be anywhere."""
    time = time_of(decision_id)
    return time is None or found.event.first_time - _SKEW <= time <= found.event.last_time + _SKEW


def answers(decision_id: str, segment: Found[SegmentSealed], store: ObjectStore) -> Iterator[FoundDecision]:
    """Every answer in the segment under the id, those that went out before shadows."""
    ids = read_segment(store, segment.event.digest, ["decision_id"])
    if not pc.any(pc.equal(ids["decision_id"], decision_id)).as_py():
        return
    leaves = record_leaves(read_segment(store, segment.event.digest))
    hashes = [leaf_hash(leaf) for leaf in leaves]
    records = [(at, canonical.decode(leaf)) for at, leaf in enumerate(leaves)]
    mine = [(at, record) for at, record in records if record["decision_id"] == decision_id]
    # The rows of one answer have consecutive numbers and count from 0; another answer begins at 0 again.
    runs = [list(run) for _, run in groupby(mine, key=lambda each: each[0] - each[1]["row"])]
    for run in sorted(runs, key=lambda run: run[0][1]["variant"] == Variant.SHADOW):
        yield _proven(decision_id, segment, run, hashes)


def _proven(
    decision_id: str, segment: Found[SegmentSealed], run: list[tuple[int, dict[str, Any]]], hashes: list[bytes]
) -> FoundDecision:
    records = tuple(
        ProvenRecord(record=record, proof=tuple(node.hex() for node in inclusion_proof(hashes, at)))
        for at, record in run
    )
    first = run[0][1]
    return FoundDecision(
        segment=segment,
        model=first["model"],
        version=first["version"],
        grant_id=first["grant_id"],
        proven=ProvenDecision(decision_id=decision_id, rows=len(records), records=records),
    )
