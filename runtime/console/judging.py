"""Two errors for every row whose outcome arrived: that of the answer, and that of a fleet that never retrained.

    decision segments -- without shadow rows, the first record of a key --+
                                                                          +-- join on (model, decision id, row)
    outcome segments --- the first record of a key -----------------------+
        |
        +-> |output - actual|                                              what was served
        +-> |first promoted version(recorded inputs) - actual|             what would have been, never retrained

A request that was sent again is one decision: as for the monitor, the first record in the order of the ledger counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain.decision import Variant
from runtime.domain.errors import FleetwardError, SchemaMismatch
from runtime.domain.events import SegmentContent, SegmentSealed, VersionRegistered
from runtime.domain.schema import Schema
from runtime.flavors import Column, Floats, load
from runtime.flavors.threads import one_thread
from runtime.storage.inputs import has_inputs
from runtime.storage.objects import ObjectMissing, ObjectStore
from runtime.storage.segment_columns import DECISION_SCHEMA, OUTCOME_SCHEMA
from runtime.storage.segments import read_segment, recorded_inputs

_KEY = ["model", "decision_id", "row"]
_COLUMNS = {
    SegmentContent.DECISIONS: [*_KEY, "event_time", "version", "variant", "numbers", "texts", "output"],
    SegmentContent.OUTCOMES: [*_KEY, "actual"],
}
_SCHEMAS = {SegmentContent.DECISIONS: DECISION_SCHEMA, SegmentContent.OUTCOMES: OUTCOME_SCHEMA}


class EvidenceMissing(FleetwardError):
    """The ledger names an object that the store does not hold: a report on the rest would not be one."""

    status: ClassVar[int] = 404

    def __init__(self, what: str, digest: str, where: str) -> None:
        super().__init__(what, digest, where)
        self.what, self.digest, self.where = what, digest, where

    def __str__(self) -> str:
        return f"{self.what} is missing: no object {self.digest} in {self.where}"


@dataclass(frozen=True, slots=True)
class Line:
    """A model's registered versions by number, and which of them was promoted first."""

    versions: Mapping[int, VersionRegistered]
    first: int


@dataclass(frozen=True, slots=True)
class Judged:
    """Arrays of one element a judged row, in the order of the ledger; errors are absolute, in target units.

    ``model`` is an index into ``models``. ``answered`` counts the rows that were served, ``told`` those of them
    whose outcome came; ``uncompared`` were told, but without two finite errors. Of the ``recomputed`` rows, which
    the first version itself answered, ``reproduced`` came out the same to the last bit.
    """

    models: tuple[str, ...]
    model: npt.NDArray[np.int64]
    time: npt.NDArray[np.datetime64]
    served: Floats
    never_retrained: Floats
    answered: int
    told: int
    uncompared: int
    recomputed: int
    reproduced: int


def judge(store: ObjectStore, segments: Sequence[SegmentSealed], lines: Mapping[str, Line]) -> Judged:
    """Judges the rows of these models.

    Raises ``EvidenceMissing``, ``DigestMismatch`` or ``SegmentMismatch`` naming the object that is gone or changed.
    """
    models = tuple(sorted(lines))
    answers = _read(store, segments, SegmentContent.DECISIONS, models)
    told = _joined(answers, _read(store, segments, SegmentContent.OUTCOMES, models))
    model = pc.index_in(told["model"], pa.array(models, pa.string())).to_numpy().astype(np.int64)
    version = told["version"].to_numpy().astype(np.int64)
    output, actual = told["output"].to_numpy(), told["actual"].to_numpy()
    never = np.full(told.num_rows, np.nan)
    for index in np.unique(model):
        rows = np.flatnonzero(model == index)
        never[rows] = _first_answers(store, lines[models[index]], told.take(pa.array(rows)), version[rows])
    errors, never_errors = np.abs(output - actual), np.abs(never - actual)
    good = np.isfinite(errors) & np.isfinite(never_errors)
    own = good & (version == np.array([lines[name].first for name in models], dtype=np.int64)[model])
    return Judged(
        models=models,
        model=model[good],
        time=told["event_time"].cast(pa.timestamp("us")).to_numpy()[good],
        served=errors[good],
        never_retrained=never_errors[good],
        answered=answers.num_rows,
        told=told.num_rows,
        uncompared=int((~good).sum()),
        recomputed=int(own.sum()),
        reproduced=int((own & (never == output)).sum()),
    )


# --- reading and joining ---------------------------------------------------------------------------


def _read(
    store: ObjectStore, segments: Sequence[SegmentSealed], content: SegmentContent, models: tuple[str, ...]
) -> pa.Table:
    """The first record of every key of these models, in the order of the ledger; no shadow rows."""
    schema = pa.schema([_SCHEMAS[content].field(name) for name in _COLUMNS[content]])
    tables = [_segment(store, each) for each in segments if each.content is content]
    table = _chosen(pa.concat_tables([schema.empty_table(), *tables]).combine_chunks(), models)
    numbered = table.select(_KEY).append_column("place", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by(_KEY).aggregate([("place", "min")])["place_min"]
    return table.take(pa.array(np.sort(first.to_numpy())))


def _segment(store: ObjectStore, segment: SegmentSealed) -> pa.Table:
    try:
        return read_segment(store, segment.digest, _COLUMNS[segment.content]).replace_schema_metadata(None)
    except ObjectMissing as error:
        numbers = f"{segment.first_number} to {segment.last_number}"
        what = f"the segment of {segment.content.value} {numbers} of replica {segment.replica} epoch {segment.epoch}"
        raise EvidenceMissing(what, segment.digest, error.where) from error


def _chosen(table: pa.Table, models: tuple[str, ...]) -> pa.Table:
    chosen = pc.is_in(table["model"], pa.array(models, pa.string()))
    if "variant" in table.column_names:
        chosen = pc.and_(chosen, pc.not_equal(table["variant"], Variant.SHADOW.value))
    return table.filter(chosen)


def _joined(answers: pa.Table, outcomes: pa.Table) -> pa.Table:
    """The answers that have an outcome, in their order, with a column ``actual``."""
    # Only keys and places take part: Arrow's join carries no lists.
    left = answers.select(_KEY).append_column("place", pa.array(np.arange(answers.num_rows)))
    pairs = left.join(outcomes, keys=_KEY, join_type="inner").sort_by("place")
    return answers.take(pairs["place"]).append_column("actual", pairs["actual"])


# --- the fleet that never retrained ----------------------------------------------------------------


def _first_answers(store: ObjectStore, line: Line, rows: pa.Table, version: npt.NDArray[np.int64]) -> Floats:
    """What the line's first version says to the inputs that these versions were given; NaN where it cannot."""
    first = line.versions[line.first]
    try:
        predictor = load(store.get(first.artifact))
    except ObjectMissing as error:
        what = f"the artifact of {first.model} version {first.version}"
        raise EvidenceMissing(what, first.artifact, error.where) from error
    answers = np.full(rows.num_rows, np.nan)
    clear = has_inputs(rows).to_numpy()  # of a data subject, inputs stand nowhere in the clear: not compared
    for number in np.unique(version[clear]):
        mine = np.flatnonzero(clear & (version == number))
        columns = _columns(rows.take(pa.array(mine)), line.versions[int(number)].schema_)
        try:
            with one_thread():  # trees over a thousand rows: a thread a core costs more than it brings
                answers[mine] = predictor.predict(columns)
        except SchemaMismatch:
            # A later version was asked with fewer columns: the first cannot answer, and these rows are not compared.
            continue
    return answers


def _columns(rows: pa.Table, schema: Schema) -> dict[str, Column]:
    """The recorded inputs by name, as a replica hands them to a predictor."""
    numbers, texts = recorded_inputs(rows)
    columns: dict[str, Column] = {name: numbers[:, place] for place, name in enumerate(schema.numbers)}
    return columns | {name: texts[:, place] for place, name in enumerate(schema.texts)}
