"""What champions were asked in production lately, out of sealed segments: for the gate that asks a challenger the same.

Left out are shadow answers, which nobody received, rows that testers asked for, and rows whose inputs are sealed for a
data subject: a training job has no keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain.decision import Variant
from runtime.domain.events import SegmentContent, SegmentSealed
from runtime.domain.flags import TESTED
from runtime.domain.schema import Schema
from runtime.flavors import Column
from runtime.pipeline.probing import Recorded
from runtime.storage.objects import ObjectMissing, ObjectStore
from runtime.storage.segments import read_segment, recorded_inputs, with_subjects

MOST_SEGMENTS = 2_000
"""So many of the newest are looked through: a model that nobody asks must not make a retraining read all records."""
_COLUMNS = ("model", "version", "variant", "numbers", "texts", "output", "flags", "subject", "sealed")


@dataclass(frozen=True)
class Asked:
    """A champion, and how many of its newest decisions are wanted."""

    version: int
    schema: Schema
    rows: int


def lately_asked(
    store: ObjectStore, segments: Iterable[SegmentSealed], wanted: Mapping[str, Asked]
) -> dict[str, Recorded]:
    """Of each model its newest decisions, in order of their segments; nothing of one that has none.

    Raises what ``read_segment`` raises of changed bytes; a segment whose time of keeping is over is passed over.
    """
    decisions = [each for each in segments if each.content is SegmentContent.DECISIONS]
    parts: dict[str, list[pa.Table]] = {model: [] for model in wanted}
    for segment in sorted(decisions, key=lambda each: each.last_time, reverse=True)[:MOST_SEGMENTS]:
        open_ = {model for model, found in parts.items() if sum(map(len, found)) < wanted[model].rows}
        if not open_:
            break
        try:
            table = with_subjects(read_segment(store, segment.digest, _COLUMNS, models=open_.__contains__))
        except ObjectMissing:
            continue
        for model in open_ & set(table["model"].unique().to_pylist()):
            mine = _of(table, model, wanted[model].version)
            if len(mine):
                parts[model].append(mine)
    return {model: _recorded(found, wanted[model]) for model, found in parts.items() if found}


def _of(table: pa.Table, model: str, version: int) -> pa.Table:
    """What this version answered and somebody received, with inputs in the clear."""
    mine = table.filter(
        (pc.field("model") == model)
        & (pc.field("version") == version)
        & (pc.field("variant") != Variant.SHADOW.value)
        & (pc.field("sealed") == "")
    )
    tested = [TESTED in flags for flags in mine["flags"].to_pylist()]
    return mine.filter(pa.array(np.logical_not(tested), pa.bool_())) if any(tested) else mine


def _recorded(parts: list[pa.Table], asked: Asked) -> Recorded:
    """Parts come newest first."""
    table = pa.concat_tables(reversed(parts))
    numbers, texts = recorded_inputs(table)
    columns: dict[str, Column] = {name: numbers[:, at].copy() for at, name in enumerate(asked.schema.numbers)}
    columns |= {name: texts[:, at].copy() for at, name in enumerate(asked.schema.texts)}
    return Recorded(columns, table["output"].to_numpy().astype(np.float64)).newest(asked.rows)
