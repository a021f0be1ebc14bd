"""One model's records of a time, from the segments that the ledger names, as a report counts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain.decision import Variant
from runtime.domain.events import SegmentContent, SegmentSealed
from runtime.domain.flags import TESTED
from runtime.storage.keyed import KEY, first_of_each, with_actuals
from runtime.storage.objects import ObjectMissing, ObjectStore
from runtime.storage.segment_columns import DECISION_SCHEMA, OUTCOME_SCHEMA
from runtime.storage.segments import read_segment

_DECIDED = ["event_time", "version", "variant", "numbers", "texts", "output", "latency_us", "flags"]
_COLUMNS = {
    SegmentContent.DECISIONS: ["model", *KEY, *_DECIDED],
    SegmentContent.OUTCOMES: ["model", *KEY, "actual"],
}
_SCHEMAS = {SegmentContent.DECISIONS: DECISION_SCHEMA, SegmentContent.OUTCOMES: OUTCOME_SCHEMA}


@dataclass(frozen=True, slots=True)
class Records:
    """``served``: the first record of each key, in the order of the ledger, without shadow rows and tested ones.

    ``actual``, where known, stands beside in a column of that name. ``missing`` segments were named, and are gone.
    """

    served: pa.Table
    repeated: int
    tested: int
    missing: int


def records_of(
    store: ObjectStore, segments: Sequence[SegmentSealed], model: str, since: datetime, until: datetime
) -> Records:
    """The model's rows with ``since <= event time < until``. Raises what ``read_segment`` raises for changed bytes."""
    decisions, gone = _read(store, segments, SegmentContent.DECISIONS, model)
    outcomes, lost = _read(store, segments, SegmentContent.OUTCOMES, model)
    kind = decisions["event_time"].type
    within = pc.and_(
        pc.greater_equal(decisions["event_time"], pa.scalar(since, kind)),
        pc.less(decisions["event_time"], pa.scalar(until, kind)),
    )
    asked = decisions.filter(pc.and_(within, pc.not_equal(decisions["variant"], Variant.SHADOW.value)))
    traffic = asked.filter(pa.array([TESTED not in flags for flags in asked["flags"].to_pylist()], pa.bool_()))
    once = first_of_each(traffic)
    return Records(
        served=with_actuals(once, first_of_each(outcomes)),
        repeated=traffic.num_rows - once.num_rows,
        tested=asked.num_rows - traffic.num_rows,
        missing=gone + lost,
    )


def _read(
    store: ObjectStore, segments: Sequence[SegmentSealed], content: SegmentContent, model: str
) -> tuple[pa.Table, int]:
    """Rows of the model, and how many segments are gone."""
    columns, missing = _COLUMNS[content], 0
    tables = [pa.schema([_SCHEMAS[content].field(name) for name in columns]).empty_table()]
    for segment in segments:
        if segment.content is not content:
            continue
        try:
            table = read_segment(store, segment.digest, columns).replace_schema_metadata(None)
        except ObjectMissing:  # its time of keeping may be over
            missing += 1
            continue
        tables.append(table.filter(pc.equal(table["model"], model)))
    return pa.concat_tables(tables).combine_chunks(), missing
