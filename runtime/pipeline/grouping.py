"""The partitions of a source, and what becomes of one of them: checked, windowed, hashed, stored. Free of Ray.

``min_rows`` is judged over all rows given, a feature without any value over the rows known at ``as_of``, and the
target over the window itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from runtime.domain.errors import DataError, SpecError
from runtime.domain.events import PartitionSkipped
from runtime.domain.fleet import model_name
from runtime.domain.spec import Spec
from runtime.pipeline import checks
from runtime.pipeline.dataset import Partition, Quarantine
from runtime.pipeline.joining import Known, joined
from runtime.pipeline.keys import coded_frame
from runtime.pipeline.leakage import check_leakage
from runtime.pipeline.row_checks import RowRules
from runtime.pipeline.rows import Layout, content_digest, moment, to_parquet
from runtime.storage.objects import ObjectStore

Positions = np.ndarray[tuple[int], np.dtype[np.intp]]


@dataclass(frozen=True)
class Window:
    """Rows with ``since <= time < as_of`` are prepared."""

    since: datetime | None
    as_of: datetime | None


@dataclass(frozen=True)
class Group:
    """A partition found in the source: ``rows`` of all its rows."""

    model: str
    key: dict[str, str]
    rows: int


@dataclass(frozen=True)
class Work:
    """What every partition of a preparation is worked on with; travels to the workers once."""

    spec: Spec
    layout: Layout
    window: Window
    store: ObjectStore
    known: tuple[Known, ...] = ()

    @cached_property
    def rules(self) -> RowRules | None:
        """The spec's checks of rows, made once where the work is done."""
        return RowRules.of(self.spec)


def find_groups(
    spec: Spec, frame: pd.DataFrame, min_rows: int, models: Collection[str] | None
) -> tuple[list[Group], list[Positions], list[PartitionSkipped]]:
    """The partitions with enough rows, the positions of their rows, and those that were skipped and why."""
    groups: list[Group] = []
    positions: list[Positions] = []
    skipped: list[PartitionSkipped] = []
    names: set[str] = set()
    for values, rows in _split(spec, frame):
        try:
            model = named(spec, values)
            if models is not None and model not in models:
                continue
            checks.check_rows(model, len(rows), min_rows)
            check_name(model, values, names)
        except DataError as error:
            if models is not None and error.where not in models:
                continue
            skipped.append(PartitionSkipped(spec=spec.name, partition=values, reason=error.reason))
            continue
        names.add(model)
        groups.append(Group(model, values, len(rows)))
        positions.append(rows)
    return groups, positions, skipped


def _split(spec: Spec, frame: pd.DataFrame) -> Iterator[tuple[dict[str, str], Any]]:
    """Partition values and row positions, in order of the values."""
    by = list(spec.group_columns)
    if not by:
        yield {}, np.arange(len(frame))
        return
    whole: np.ndarray[tuple[int], np.dtype[np.int64]] = np.zeros(len(frame), dtype=np.int64)
    texts: list[list[str]] = []
    for name in by:
        codes, words = coded_frame(spec.data.named, frame, name)
        whole = whole * max(1, len(words)) + codes
        texts.append(words)
    order = np.argsort(whole, kind="stable")
    starts = np.flatnonzero(np.diff(whole[order], prepend=-1))
    found = []
    for rows in np.split(order, starts[1:]) if len(order) else []:
        rest, values = int(whole[rows[0]]), []
        for words in reversed(texts):
            rest, place = divmod(rest, len(words))
            values.append(words[place])
        found.append((tuple(reversed(values)), rows))
    for key, rows in sorted(found, key=lambda each: each[0]):
        yield dict(zip(by, key, strict=True)), rows


def named(spec: Spec, values: Mapping[str, str]) -> str:
    """The name of a partition's model. Raises ``DataError`` for values that make none."""
    try:
        return model_name(spec, values)
    except SpecError as error:
        raise DataError(
            str(error.value), f"the partition makes no model's name: {error.value}; expected {error.expected}"
        ) from error


def check_name(model: str, values: Mapping[str, str], names: Collection[str]) -> None:
    """Raises ``DataError`` for a partition without a name of its own."""
    for column, value in values.items():
        if not value:
            raise DataError(model, f"partition column {column!r} is missing or empty")
    if model in names:
        raise DataError(model, f"another partition is named {model!r} already")


def process_group(table: pa.Table, group: Group, work: Work) -> dict[str, Any]:
    """One partition checked and stored; what became of it, as plain values."""
    layout, window, data = work.layout, work.window, work.spec.data
    quarantined, later = None, 0
    try:
        table = joined(table, layout.time, data.time_zone, data.join, work.known)
        whole = checks.canonical(table, layout, data.time_zone)
        known = checks.within(whole, layout, since=None, until=window.as_of)
        later = len(whole) - len(known)
        checks.check_known(group.model, whole, known, layout)
        known, quarantined = _checked(known, work)
        rows = checks.within(known, layout, since=window.since, until=None)
        checks.check_values(group.model, rows, layout)
        if work.spec.train.is_fitted:
            checks.check_classes(group.model, rows, layout)
        checks.check_features(group.model, known, layout)
        if data.leakage != "allowed":
            check_leakage(group.model, rows, layout, data.leakage)
    except DataError as error:
        return {"reason": error.reason, **_left_out(later, quarantined)}
    times = rows[layout.time].cast(pa.int64())
    return {
        "reason": None,
        "rows": len(rows),
        "content": content_digest(rows),
        "parquet": work.store.put(to_parquet(rows)),
        "first_time": times[0].as_py(),
        "last_time": times[-1].as_py(),
        **_left_out(later, quarantined),
    }


def _left_out(later: int, quarantined: dict[str, Any] | None) -> dict[str, Any]:
    return ({"later": later} if later else {}) | ({"quarantined": quarantined} if quarantined else {})


def _checked(known: pa.Table, work: Work) -> tuple[pa.Table, dict[str, Any] | None]:
    """The rows that pass, and where the others are kept."""
    if work.rules is None or not len(known):
        return known, None
    verdict = work.rules.judge(known)
    if not verdict.broken:
        return known, None
    bad = known.filter(pa.array(verdict.bad)).append_column(
        "__broke", pa.array([why for why in verdict.reasons if why], type=pa.string())
    )
    kept = {"rows": len(bad), "of": len(known), "broke": verdict.broken, "parquet": work.store.put(to_parquet(bad))}
    return known.filter(pa.array(~verdict.bad)), kept


def partition_of(group: Group, record: Mapping[str, Any]) -> Partition:
    """A group's record as a partition."""
    return Partition(
        model=group.model,
        key=group.key,
        rows=record["rows"],
        content=record["content"],
        parquet=record["parquet"],
        first_time=moment(record["first_time"]),
        last_time=moment(record["last_time"]),
    )


def quarantine_of(group: Group, kept: Mapping[str, Any]) -> Quarantine:
    """What a group's record says of rows that were left out."""
    return Quarantine(group.model, kept["rows"], dict(kept["broke"]), kept["parquet"])
