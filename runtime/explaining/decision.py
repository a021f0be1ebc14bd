"""A recorded decision, explained by the very version that made it.

    records of the decision ─> opened, if sealed ─> artifact by its digest ─> predict again ─> same bits? ─> explain

An explanation of another answer than the recorded one would explain nothing, so a difference in one bit is an error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain.errors import FleetwardError
from runtime.domain.flags import told
from runtime.domain.ids import Digest
from runtime.domain.schema import Schema
from runtime.explaining.explanation import Explanation
from runtime.explaining.methods import explain
from runtime.flavors import Columns, Predictor, load
from runtime.statistics.profile import Profile
from runtime.storage.inputs import KeyOf, opened
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import read_segment, recorded_inputs


class AnotherAnswer(FleetwardError):
    """The version that decided answers the recorded inputs otherwise now: says both."""

    def __init__(self, decision_id: str, row: int, recorded: float, again: float) -> None:
        super().__init__(decision_id, row, recorded, again)
        self.decision_id, self.row, self.recorded, self.again = decision_id, row, recorded, again

    def __str__(self) -> str:
        return (
            f"decision {self.decision_id} row {self.row}: {self.recorded!r} was recorded, its version answers "
            f"{self.again!r} now: it is not explained"
        )


class InputsErased(FleetwardError):
    """The decision's inputs were recorded under a data subject's key that is destroyed."""

    status = 410

    def __init__(self, decision_id: str) -> None:
        super().__init__(decision_id)
        self.decision_id = decision_id

    def __str__(self) -> str:
        return f"decision {self.decision_id}: its inputs are erased with their data subject's key, nothing explains it"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a decision's records lie, as the ledger and the segment say it."""

    decision_id: str
    segment: Digest
    first_number: int
    """The number of the first record; the others follow it."""
    rows: int
    baseline: Digest
    """Of the version that decided, as it was registered."""


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedDecision:
    """An explanation, and which decision of which version it is of."""

    decision_id: str
    model: str
    version: int
    artifact: Digest
    explanation: Explanation
    overrides: list[list[str]]
    """What the model's overrides made of each row, in words; the rest is of what its version predicted."""

    def as_document(self) -> dict[str, Any]:
        """Plain values."""
        overrides = {"overrides": self.overrides} if any(self.overrides) else {}
        return {
            "decision_id": self.decision_id,
            "model": self.model,
            "version": self.version,
            "artifact": self.artifact,
            **self.explanation.as_document(),
            **overrides,
        }


def explain_decision(
    place: Place, store: ObjectStore, key_of: KeyOf, seed: int, loaded: Predictor | None = None
) -> ExplainedDecision:
    """``loaded`` is the version that decided, where it is at hand.

    Raises ``AnotherAnswer``, ``InputsErased``, ``NotAdditive``, and what the store and ``load`` raise.

    ``key_of`` is called only for records that name a data subject.
    """
    segment = read_segment(store, place.segment)
    numbers = segment["number"]
    mine = pc.and_(pc.greater_equal(numbers, place.first_number), pc.less(numbers, place.first_number + place.rows))
    records, erased = opened(segment.filter(mine), key_of)
    if erased.num_rows:
        raise InputsErased(place.decision_id)
    first = records.slice(0, 1).to_pylist()[0]
    predictor = load(store.get(first["artifact"])) if loaded is None else loaded
    columns = columns_of(records, predictor.schema)
    check_same(place.decision_id, records["output"].to_numpy(), predictor.predict(columns))
    profile = profile_of(store.get(place.baseline))
    explanation = explain(predictor, columns, profile, seed)
    check_same(place.decision_id, records["output"].to_numpy(), explanation.outputs)
    said = [[word for flag in flags if (word := told(flag))] for flags in records["flags"].to_pylist()]
    return ExplainedDecision(place.decision_id, first["model"], first["version"], first["artifact"], explanation, said)


def profile_of(baseline: bytes) -> Profile:
    """The features' part of a stored baseline."""
    return Profile.from_document(json.loads(baseline)["features"])


def columns_of(records: pa.Table, schema: Schema) -> Columns:
    """Recorded inputs as the version is asked with them."""
    numbers, texts = recorded_inputs(records)
    by_number = {name: np.ascontiguousarray(numbers[:, at]) for at, name in enumerate(schema.numbers)}
    by_text = {name: texts[:, at].copy() for at, name in enumerate(schema.texts)}
    return {**by_number, **by_text}


def check_same(decision_id: str, recorded: Any, again: Any) -> None:
    """Raises ``AnotherAnswer``. Bit for bit, so that -0.0 is not 0.0 and NaN is itself."""
    differs = np.flatnonzero(recorded.view(np.int64) != np.ascontiguousarray(again, dtype=np.float64).view(np.int64))
    if differs.size:
        row = int(differs[0])
        raise AnotherAnswer(decision_id, row, float(recorded[row]), float(again[row]))
