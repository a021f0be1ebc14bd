"""What must hold of a dataset and of each partition before anything is trained on it. Pure, and free of Ray."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain.errors import DataError, MissingColumn, TooFewRows, UnusableTarget
from runtime.domain.gates import FairnessGate, SliceGate
from runtime.domain.schema import Field, FieldKind, Task, outputs_of
from runtime.domain.spec import Spec
from runtime.pipeline.rows import Layout, numbers
from runtime.storage.frames import micros


def layout_of(spec: Spec, found: pa.Schema) -> Layout:
    """The columns the spec needs. Raises ``MissingColumn``, and ``DataError`` for a type that cannot be used."""
    split = [gate.slice for gate in spec.gates if isinstance(gate, SliceGate)]
    split += [gate.fair_over for gate in spec.gates if isinstance(gate, FairnessGate)]
    split += [spec.data.kept_together] if spec.data.kept_together is not None else []
    slices = tuple(dict.fromkeys(split))
    data = spec.data
    for column in (data.time, data.target, *spec.group_columns, *data.features, *slices):
        if column not in found.names:
            raise MissingColumn(data.named, column, tuple(found.names))
    for output in outputs_of(spec.task, spec.classes):
        if output.name in data.features:
            raise DataError(data.named, f"a feature cannot be named {output.name!r}: it is the name of the output")
    check_time(data.named, found.field(data.time), data.time_zone)
    if spec.classes is None:
        check_target(data.named, found.field(data.target))
    features = tuple(Field(name=name, kind=kind_of(data.named, found.field(name))) for name in data.features)
    return Layout(data.time, data.target, spec.group_columns, features, slices, spec.task, spec.classes)


def kind_of(source: str, field: pa.Field) -> FieldKind:
    """A number or a text. Raises ``DataError`` for any other type."""
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return FieldKind.NUMBER
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return FieldKind.TEXT
    if pa.types.is_null(kind):  # nothing but missing values: the partition check will name it
        return FieldKind.NUMBER
    raise DataError(source, f"feature {field.name!r} is of type {field.type}; expected numbers or text")


def check_time(source: str, field: pa.Field, zone: str | None = None) -> None:
    """Raises ``DataError`` unless it is a timestamp with a zone, or one or a date for which a ``zone`` is given."""
    if not pa.types.is_timestamp(field.type) and not pa.types.is_date(field.type):
        raise DataError(source, f"time column {field.name!r} is of type {field.type}; expected timestamps or dates")
    if _has_no_zone(field.type) and zone is None:
        raise DataError(source, f"time column {field.name!r} has no time zone; name it in data.time_zone")


def _has_no_zone(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None))


def check_target(source: str, field: pa.Field) -> None:
    """Raises ``DataError`` unless it holds numbers."""
    if kind_of(source, field) is not FieldKind.NUMBER:
        raise DataError(source, f"target {field.name!r} is of type {field.type}; expected numbers")


def canonical(table: pa.Table, layout: Layout, zone: str | None = None) -> pa.Table:
    """The layout's columns in canonical types, rows sorted by time, then by every other column.

    NaN becomes null; a time without a zone is taken to be of ``zone``, and a date for its midnight there. Raises
    ``DataError`` if a value does not fit its column.
    """
    columns = {}
    time = table[layout.time]
    if zone is not None and _has_no_zone(time.type):
        at = table.schema.get_field_index(layout.time)
        table = table.set_column(at, layout.time, _zoned(layout.time, time, zone))
    if layout.classes is not None:
        at = table.schema.get_field_index(layout.target)
        table = table.set_column(at, layout.target, class_numbers(table[layout.target], layout))
    for name, kind in layout.types.items():
        try:
            column = table[name].cast(kind, safe=not pa.types.is_floating(kind))
        except pa.ArrowInvalid as error:
            raise DataError(name, f"column {name!r} does not hold what it should: {error}") from error
        columns[name] = _without_nan(column) if pa.types.is_floating(kind) else column
    ordered = pa.table(columns)
    if ordered[layout.time].null_count:
        raise DataError(layout.time, f"time {layout.time!r} is missing in {ordered[layout.time].null_count} rows")
    return ordered.take(_order(ordered, layout)).combine_chunks()


def _without_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    nan = pc.is_nan(column)
    return pc.if_else(nan, None, column) if pc.any(nan).as_py() else column


def _order(table: pa.Table, layout: Layout) -> npt.NDArray[np.intp]:
    """By time, then by every other column. Times are often enough alone, and sort in a fraction of the time."""
    moments = table[layout.time].cast(pa.int64()).to_numpy()
    order = np.argsort(moments, kind="stable")
    tied = np.diff(moments[order]) == 0
    if tied.any():
        rows = np.flatnonzero(np.concatenate((tied, [False])) | np.concatenate(([False], tied)))
        by = [(name, "ascending") for name in layout.types]
        order[rows] = order[rows][pc.sort_indices(table.take(order[rows]), sort_keys=by)]
    return order


def _zoned(name: str, time: pa.ChunkedArray, zone: str) -> pa.ChunkedArray:
    """Wall-clock times of a zone as moments. Of an hour that a clock shows twice it is the first."""
    try:
        return pc.assume_timezone(time.cast(pa.timestamp("us")), zone, ambiguous="earliest", nonexistent="raise")
    except pa.ArrowInvalid as error:
        raise DataError(name, f"time {name!r} holds one that no clock of {zone} ever showed: {error}") from error


def class_numbers(target: pa.ChunkedArray, layout: Layout) -> pa.Array:
    """Which of the layout's classes each value is, null where it is missing. Raises ``DataError``."""
    names = layout.classes or ()
    given = target.cast(target.type.value_type) if pa.types.is_dictionary(target.type) else target
    try:
        words = given.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(layout.target, f"a target of type {target.type} names no classes; expected text") from error
    found = pc.index_in(words, value_set=pa.array(names, pa.string()))
    other = pc.and_(pc.is_null(found), pc.is_valid(words))
    if count := pc.sum(other).as_py():
        first = words.filter(other)[0].as_py()
        reason = (
            f"target {layout.target!r} is none of the classes {', '.join(names)} in {count} rows, such as {first!r}"
        )
        raise DataError(layout.target, reason)
    return found.cast(pa.float64()).combine_chunks()


def within(table: pa.Table, layout: Layout, *, since: datetime | None, until: datetime | None) -> pa.Table:
    """Rows with ``since <= time < until`` of rows in order of time, as a view."""
    moments = table[layout.time].cast(pa.int64()).to_numpy()
    start = 0 if since is None else int(np.searchsorted(moments, micros(since)))
    stop = len(moments) if until is None else int(np.searchsorted(moments, micros(until)))
    return table.slice(start, max(0, stop - start))


def check_features(where: str, known: pa.Table, layout: Layout) -> None:
    """Raises ``DataError`` if a feature holds nothing in any row, or an infinite number in some."""
    for field in layout.features:
        column = known[field.name]
        if len(column) and column.null_count == len(column):
            raise DataError(where, f"feature {field.name!r} is missing in all {len(column)} rows")
        if field.kind is FieldKind.NUMBER and (bad := pc.sum(pc.is_inf(column)).as_py() or 0):
            raise DataError(where, f"feature {field.name!r} is infinite in {bad} of {len(column)} rows")


def check_values(where: str, window: pa.Table, layout: Layout) -> None:
    """Raises ``UnusableTarget`` if a target of the window is missing or infinite, ``TooFewRows`` without rows."""
    if not len(window):
        raise TooFewRows(where, 0, 1)
    bad = int((~np.isfinite(numbers(window[layout.target]))).sum())
    if bad:
        raise UnusableTarget(where, layout.target, bad, len(window))
    if layout.task is Task.CLASSIFICATION and layout.classes is None:
        target = numbers(window[layout.target])
        other = int(((target != 0) & (target != 1)).sum())
        if other:
            raise DataError(where, f"target {layout.target!r} is neither 0 nor 1 in {other} of {len(window)} rows")


def check_known(where: str, given: pa.Table, known: pa.Table, layout: Layout) -> None:
    """Raises ``DataError`` if rows are given and none of them is of before the moment that is asked about."""
    if len(given) and not len(known):
        first = given[layout.time][0].as_py().isoformat()
        raise DataError(where, f"none of its {len(given)} rows is known yet: {layout.time!r} begins at {first}")


def check_classes(where: str, window: pa.Table, layout: Layout) -> None:
    """Raises ``DataError`` for a classification whose target is of one class alone: nothing can be told apart."""
    target = window[layout.target]
    if layout.task is not Task.CLASSIFICATION or pc.count_distinct(target).as_py() > 1:
        return
    value = target[0].as_py()
    name = f"{value:g}" if layout.classes is None else layout.classes[int(value)]
    raise DataError(where, f"target {layout.target!r} is {name} in all {len(target)} rows: there is one class only")


def check_rows(where: str, rows: int, min_rows: int) -> None:
    """Raises ``TooFewRows``."""
    if rows < min_rows:
        raise TooFewRows(where, rows, min_rows)
