"""The columns of segments, and how they grow from the records of write-ahead frames."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

from runtime.domain.decision import Decision, Outcomes
from runtime.domain.flags import by_row
from runtime.storage.frames import Frames, NumberedDecision, PlainDecisions, micros

_MOMENT = pa.timestamp("us", tz="UTC")


def _required(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


DECISION_SCHEMA = _required(
    number=pa.int64(),
    decision_id=pa.string(),
    row=pa.int32(),
    time=_MOMENT,
    event_time=_MOMENT,
    model=pa.string(),
    version=pa.int32(),
    artifact=pa.string(),
    grant_id=pa.string(),
    variant=pa.string(),
    caller=pa.string(),
    trace_id=pa.string(),
    latency_us=pa.int64(),
    numbers=pa.list_(pa.float64()),
    texts=pa.list_(pa.string()),
    output=pa.float64(),
    flags=pa.list_(pa.string()),
)
OF_SUBJECT = ("subject", "sealed")
SUBJECT_SCHEMA = pa.schema([*DECISION_SCHEMA, *_required(subject=pa.string(), sealed=pa.string())])
"""Of decisions of which one names its data subject."""
OUTCOME_SCHEMA = _required(
    number=pa.int64(),
    decision_id=pa.string(),
    row=pa.int32(),
    time=_MOMENT,
    model=pa.string(),
    caller=pa.string(),
    actual=pa.float64(),
)
_OF_DECISION = (
    *("decision_id", "time", "event_time", "model", "version", "artifact", "grant_id", "variant"),
    *("caller", "trace_id", "latency_us"),
)
_OF_OUTCOMES = ("decision_id", "time", "model", "caller")


class Run:
    """The columns of records without a hole, as they grow.

    Frames are not kept: strings and numbers in a few long lists cost the garbage collector nothing, while the small
    lists of 20,000 decisions make it walk them over and over (measured: a third of the speed).
    """

    def __init__(self, schema: pa.Schema, first_number: int) -> None:
        self.following = first_number
        self._schema = schema
        self._columns: dict[str, list[Any]] = {name: [] for name in schema.names}
        self._offsets: dict[str, list[int]] = {f.name: [0] for f in schema if pa.types.is_list(f.type)}

    def add(self, frame: Frames) -> None:
        rows = frame.records
        self._columns["number"] += range(frame.number, frame.number + rows)
        self.following = frame.number + rows
        if isinstance(frame, PlainDecisions):
            self._add_plain(frame, rows)
        elif isinstance(frame, NumberedDecision):
            self._add_decision(frame.decision, rows)
        else:
            self._add_outcomes(frame.outcomes, rows)

    def table(self) -> pa.Table:
        # pyarrow keeps NaN as NaN and None as null, unless told that the values are from pandas.
        schema = self._schema
        if OF_SUBJECT[0] in schema.names and not any(self._columns[OF_SUBJECT[0]]):
            schema = DECISION_SCHEMA
        return pa.Table.from_arrays([self._array(field) for field in schema], schema=schema)

    def _add_plain(self, plain: PlainDecisions, rows: int) -> None:
        columns = self._columns
        columns["row"] += [0] * rows
        for name, values in zip(_OF_DECISION, plain.fields, strict=True):
            columns[name] += values
        for name in OF_SUBJECT:
            columns[name] += [""] * rows
        columns["output"] += map(float, plain.outputs)
        for name, lists in (("numbers", plain.numbers), ("texts", plain.texts), ("flags", plain.flags)):
            self._add_ragged(name, lists)

    def _add_decision(self, d: Decision, rows: int) -> None:
        columns = self._columns
        columns["row"] += range(rows)
        for name in _OF_DECISION:
            columns[name] += [_plain(getattr(d, name))] * rows
        columns["subject"] += [d.subject] * rows
        columns["sealed"] += d.sealed or [""] * rows
        columns["output"] += map(float, d.outputs)
        self._add_lists("numbers", d.numbers, rows)
        self._add_lists("texts", d.texts, rows)
        if d.flags:
            self._add_ragged("flags", by_row(d.flags, rows))
        else:
            self._add_lists("flags", (), rows)

    def _add_outcomes(self, o: Outcomes, rows: int) -> None:
        columns = self._columns
        columns["row"] += o.rows
        for name in _OF_OUTCOMES:
            columns[name] += [_plain(getattr(o, name))] * rows
        columns["actual"] += map(float, o.actuals)

    def _add_ragged(self, name: str, lists: Sequence[Sequence[Any]]) -> None:
        """A list of its own for each row."""
        self._columns[name] += chain.from_iterable(lists)
        self._offsets[name] += accumulate(map(len, lists), initial=self._offsets[name].pop())

    def _add_lists(self, name: str, columns: Sequence[Sequence[Any]], rows: int) -> None:
        """Columns of one decision as one list for each row."""
        values, offsets = self._columns[name], self._offsets[name]
        start, width = len(values), len(columns)
        values += chain.from_iterable(zip(*columns, strict=True))
        offsets += range(start + width, start + width * rows + 1, width) if width else [start] * rows

    def _array(self, field: pa.Field) -> pa.Array:
        if pa.types.is_timestamp(field.type):
            return pa.array(self._columns[field.name], pa.int64()).cast(field.type)
        if field.name not in self._offsets:
            return pa.array(self._columns[field.name], field.type)
        values = pa.array(self._columns[field.name], field.type.value_type)
        return pa.ListArray.from_arrays(pa.array(self._offsets[field.name], pa.int32()), values)


def _plain(value: Any) -> Any:
    """A time as microseconds, which Arrow takes ten times as fast."""
    return micros(value) if isinstance(value, datetime) else value
