"""Point-in-time joins: columns of another source as they were known at each row's own time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain.data import Join, name_of
from runtime.domain.errors import DataError, MissingColumn
from runtime.domain.spec import Spec
from runtime.pipeline.rows import TIME_TYPE, Layout
from runtime.pipeline.sources import frame_schema, load_frame

_ROW = "__row"
_KNOWN_AT = "__known_at"


@dataclass(frozen=True, eq=False)
class Known:
    """Another source in memory, in order of the time at which its rows were known (microseconds since 1970, UTC)."""

    frame: pd.DataFrame


def known_of(spec: Spec) -> tuple[Known, ...]:
    """What the spec's joins take from. Raises ``DataError``, ``MissingColumn``."""
    return tuple(_known(join, spec.data.time_zone) for join in spec.data.join)


def _known(join: Join, zone: str | None) -> Known:
    where = name_of(join.source)
    frame = load_frame(join.source)
    for column in (*join.on, join.time, *join.columns):
        if column not in frame.columns:
            raise MissingColumn(where, column, tuple(map(str, frame.columns)))
    known_at = _moments(where, join.time, frame[join.time], zone) + join.delay
    frame = _plain(frame[[*join.on, *join.columns]]).assign(**{_KNOWN_AT: known_at.to_numpy()})
    return Known(frame[frame[_KNOWN_AT].notna()].sort_values(_KNOWN_AT, kind="stable", ignore_index=True))


def columns_used(spec: Spec, layout: Layout) -> set[str]:
    """Columns of the source that are needed: the layout's, and those that are joined by."""
    return {*layout.types, *(name for join in spec.data.join for name in join.on)}


def with_joins(schema: pa.Schema, spec: Spec, known: tuple[Known, ...]) -> pa.Schema:
    """The source's columns and those of its joins. Raises ``DataError`` for a join that does not fit the source."""
    for join, other in zip(spec.data.join, known, strict=True):
        for name in join.on:
            if name not in schema.names:
                raise DataError(
                    spec.data.named, f"no column {name!r} to join by; columns are {', '.join(schema.names)}"
                )
        both = [name for name in join.columns if name in schema.names]
        if both:
            raise DataError(spec.data.named, f"column {both[0]!r} is joined, and stands in the source already")
        for field in frame_schema(spec, other.frame[list(join.columns)]):
            schema = schema.append(field)
    return schema


def joined(table: pa.Table, time: str, zone: str | None, joins: Sequence[Join], known: Sequence[Known]) -> pa.Table:
    """The table with the columns of every join, missing where nothing was known in time. Rows keep their order."""
    for join, other in zip(joins, known, strict=True):
        table = _join(table, time, zone, join, other.frame)
    return table


def _join(table: pa.Table, time: str, zone: str | None, join: Join, other: pd.DataFrame) -> pa.Table:
    keys = table.select([time, *join.on]).to_pandas(ignore_metadata=True)
    keys[_KNOWN_AT] = _moments(time, time, keys[time], zone).to_numpy()
    keys = keys.assign(**{_ROW: range(len(keys))}).sort_values(_KNOWN_AT, kind="stable")
    try:
        found = pd.merge_asof(
            keys[[_ROW, _KNOWN_AT, *join.on]], other, on=_KNOWN_AT, by=list(join.on), tolerance=join.within
        )
    except (pd.errors.MergeError, ValueError, TypeError) as error:
        where = name_of(join.source)
        raise DataError(where, f"{where} cannot be joined by {', '.join(join.on)}: {error}") from error
    found = found.sort_values(_ROW)
    for column in join.columns:
        table = table.append_column(column, pa.array(found[column], from_pandas=True))
    return table


def _moments(where: str, name: str, column: pd.Series, zone: str | None) -> pd.Series:
    """Times, or dates as their first moment, in UTC."""
    times = pa.array(column, from_pandas=True)
    if pa.types.is_date(times.type):
        times = times.cast(pa.timestamp("us"))
    if not pa.types.is_timestamp(times.type):
        raise DataError(where, f"time column {name!r} is of type {times.type}; expected timestamps or dates")
    if times.type.tz is None:
        if zone is None:
            raise DataError(where, f"time column {name!r} has no time zone; name it in data.time_zone")
        times = pc.assume_timezone(times.cast(pa.timestamp("us")), zone, ambiguous="earliest", nonexistent="latest")
    moments: pd.Series = times.cast(TIME_TYPE).to_pandas()
    return moments


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The same values in pandas' own types, whatever a reader gave: keys of both sides must be of one type."""
    plain: pd.DataFrame = pa.Table.from_pandas(frame, preserve_index=False).to_pandas(ignore_metadata=True)
    return plain
