"""Where a decision's records lie: in one of the sealed segments that the ledger names, the likely ones first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain.decision import Variant
from runtime.domain.errors import FleetwardError
from runtime.domain.events import SegmentSealed
from runtime.domain.ids import Digest
from runtime.domain.sealed import Sealed
from runtime.explaining.decision import Place
from runtime.storage.objects import ObjectMissing, ObjectStore
from runtime.storage.segments import read_segment

MOST_SEGMENTS = 256
"""So many segments are looked through for one decision: an id without a time in it may be in any."""
_COLUMNS = ("decision_id", "model", "version", "variant", "caller", "number", "row", "artifact")


class NoSuchDecision(FleetwardError):
    """No segment that was looked through holds the decision: says how many there were."""

    status = 404

    def __init__(self, decision_id: str, model: str, looked: int, left: int) -> None:
        super().__init__(decision_id, model, looked, left)
        self.decision_id, self.model, self.looked, self.left = decision_id, model, looked, left

    def __str__(self) -> str:
        rest = f", {self.left} older ones were not looked through" if self.left else ""
        return f"decision {self.decision_id} of model {self.model!r} is in none of {self.looked} sealed segments{rest}"


@dataclass(frozen=True, slots=True)
class Answered:
    """A decision as it was answered: whose question it was, who decided, and where its records lie."""

    caller: str
    version: int
    artifact: Digest
    place: Place


def find(decision_id: str, model: str, sealed: Sealed, store: ObjectStore) -> Answered:
    """The answer that went out, the first of several; shadow answers, which nobody received, are no answers.

    Raises ``NoSuchDecision``, and what the store raises of bytes that changed.
    """
    looked = sealed.segments[:MOST_SEGMENTS]
    for segment in looked:
        try:
            ids = read_segment(store, segment.digest, ["decision_id"])["decision_id"]
            if pc.any(pc.equal(ids, decision_id)).as_py():
                for found in _answers(
                    decision_id, model, read_segment(store, segment.digest, _COLUMNS), segment, sealed
                ):
                    return found
        except ObjectMissing:
            continue
    raise NoSuchDecision(decision_id, model, len(looked), len(sealed.segments) - len(looked))


def _answers(
    decision_id: str, model: str, records: pa.Table, segment: SegmentSealed, sealed: Sealed
) -> Iterator[Answered]:
    """The rows of an answer have consecutive numbers and count from 0; another answer begins at 0 again."""
    mine = pc.and_(pc.equal(records["decision_id"], decision_id), pc.equal(records["model"], model))
    rows = records.filter(mine).sort_by("number").to_pylist()
    starts = [at for at, record in enumerate(rows) if record["row"] == 0]
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        first = rows[start]
        if first["variant"] == Variant.SHADOW or first["version"] not in sealed.baselines:
            continue
        place = Place(decision_id, segment.digest, first["number"], stop - start, sealed.baselines[first["version"]])
        yield Answered(first["caller"], first["version"], first["artifact"], place)
