"""From a spec's source to checked partitions in the object store.

The source gives one DataFrame; whole partitions are laid into blocks, and Ray Data checks, sorts, hashes and
stores them block by block, so rows do not travel twice. A partition that cannot be used is skipped with its
reason, and the rest go on.

``min_rows`` is judged over all rows given, a feature without any value over the rows known at ``as_of``, and the
target over the window itself.
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from runtime.domain import canonical as canonical_json
from runtime.domain.errors import DataError
from runtime.domain.events import DatasetPrepared, ModelDeclared, PartitionSkipped
from runtime.domain.fleet import model_name
from runtime.domain.ids import Digest
from runtime.domain.schema import Schema
from runtime.domain.spec import Spec
from runtime.pipeline import checks
from runtime.pipeline.cores import cluster_cores
from runtime.pipeline.rows import Layout, Rows, content_digest, from_parquet, moment, to_parquet
from runtime.storage.objects import ObjectStore

_PARTITION = "__partition"


@dataclass(frozen=True)
class Partition:
    """One model's rows, checked and stored: ``parquet`` names the object, ``content`` the values in it."""

    model: str
    key: dict[str, str]
    rows: int
    content: Digest
    parquet: Digest
    first_time: datetime
    last_time: datetime

    def load(self, store: ObjectStore, layout: Layout) -> Rows:
        """The rows. Raises ``DigestMismatch`` if the stored bytes changed."""
        return from_parquet(store.get(self.parquet), layout)


@dataclass(frozen=True)
class PreparedDataset:
    """What training starts from. ``digest`` names a manifest in the store, the same for the same content."""

    spec: str
    digest: Digest
    layout: Layout
    partitions: tuple[Partition, ...]
    skipped: tuple[PartitionSkipped, ...]

    @property
    def schema(self) -> Schema:
        """What a model of these data takes and gives."""
        return self.layout.schema

    @property
    def rows(self) -> int:
        """Rows of all partitions."""
        return sum(partition.rows for partition in self.partitions)

    @property
    def events(self) -> tuple[DatasetPrepared | ModelDeclared | PartitionSkipped, ...]:
        """The ledger entries of this preparation, in order."""
        prepared = DatasetPrepared(
            spec=self.spec,
            digest=self.digest,
            rows=self.rows,
            partitions=len(self.partitions),
            columns=tuple(self.layout.types),
            first_time=min(partition.first_time for partition in self.partitions),
            last_time=max(partition.last_time for partition in self.partitions),
        )
        declared = [ModelDeclared(model=p.model, spec=self.spec, partition=p.key) for p in self.partitions]
        return (prepared, *declared, *self.skipped)


@dataclass(frozen=True)
class _Window:
    since: datetime | None
    as_of: datetime | None


@dataclass(frozen=True)
class _Group:
    """A partition found in the source: ``rows`` of all its rows."""

    model: str
    key: dict[str, str]
    rows: int


def prepare(
    spec: Spec,
    *,
    store: ObjectStore,
    as_of: datetime | None = None,
    since: datetime | None = None,
    min_rows: int | None = None,
    models: Collection[str] | None = None,
) -> PreparedDataset:
    """The rows with ``since <= time < as_of``, checked, split by partition and stored.

    ``min_rows`` overrides the spec's; ``models`` keeps only these. Needs a Ray that is running. Raises
    ``MissingColumn`` or ``DataError`` if the whole dataset is unusable, and so if no partition is left.
    """
    frame = load_source(spec)
    needed = min_rows if min_rows is not None else (spec.for_each.min_rows if spec.for_each else 1)
    layout = checks.layout_of(spec, _arrow_schema(spec, frame))
    groups, positions, skipped = find_groups(spec, frame, needed, models)
    blocks = _blocks(frame[list(layout.types)], groups, positions, 2 * cluster_cores())
    partitions = []
    for record in _process(blocks, groups, layout, _Window(since, as_of), store):
        group = groups[record["group"]]
        if record["reason"] is None:
            partitions.append(_partition(group, record))
        else:
            skipped.append(PartitionSkipped(spec=spec.name, partition=group.key, reason=record["reason"]))
    if not partitions:
        raise DataError(spec.name, _why_nothing(skipped))
    partitions.sort(key=lambda partition: partition.model)
    digest = store.put(dataset_manifest(layout, partitions))
    return PreparedDataset(spec.name, digest, layout, tuple(partitions), tuple(skipped))


def load_source(spec: Spec) -> pd.DataFrame:
    """What the spec's source gives. Raises ``DataError`` if it cannot be imported or gives no DataFrame."""
    module, _, function = spec.data.source.partition(":")
    try:
        frame = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise DataError(spec.data.source, str(error)) from error
    if not isinstance(frame, pd.DataFrame):
        raise DataError(spec.data.source, f"it gave a {type(frame).__name__}; expected a pandas DataFrame")
    return frame


def find_groups(
    spec: Spec, frame: pd.DataFrame, min_rows: int, models: Collection[str] | None
) -> tuple[list[_Group], list[np.ndarray[tuple[int], np.dtype[np.intp]]], list[PartitionSkipped]]:
    """The partitions with enough rows, the positions of their rows, and those that were skipped and why."""
    groups: list[_Group] = []
    positions: list[np.ndarray[tuple[int], np.dtype[np.intp]]] = []
    skipped: list[PartitionSkipped] = []
    names: set[str] = set()
    for values, rows in _split(spec, frame):
        model = model_name(spec, values)
        if models is not None and model not in models:
            continue
        try:
            checks.check_rows(model, len(rows), min_rows)
            _check_name(model, values, names)
        except DataError as error:
            skipped.append(PartitionSkipped(spec=spec.name, partition=values, reason=error.reason))
            continue
        names.add(model)
        groups.append(_Group(model, values, len(rows)))
        positions.append(rows)
    return groups, positions, skipped


def dataset_manifest(layout: Layout, partitions: list[Partition]) -> bytes:
    """Canonical JSON that says what the dataset is: its columns, and each partition's content."""
    document = {
        "columns": [[name, str(kind)] for name, kind in layout.types.items()],
        "partitions": [
            {"model": p.model, "partition": p.key, "rows": p.rows, "content": p.content} for p in partitions
        ],
    }
    return canonical_json.encode(document)


def process_group(
    table: pa.Table, group: _Group, layout: Layout, window: _Window, store: ObjectStore
) -> dict[str, Any]:
    """One partition checked and stored; what became of it, as plain values."""
    try:
        known = checks.within(checks.canonical(table, layout), layout, since=None, until=window.as_of)
        rows = checks.within(known, layout, since=window.since, until=None)
        checks.check_values(group.model, rows, layout)
        checks.check_features(group.model, known, layout)
    except DataError as error:
        return {"reason": error.reason}
    times = rows[layout.time].cast(pa.int64())
    return {
        "reason": None,
        "rows": len(rows),
        "content": content_digest(rows),
        "parquet": store.put(to_parquet(rows)),
        "first_time": times[0].as_py(),
        "last_time": times[-1].as_py(),
    }


def _arrow_schema(spec: Spec, frame: pd.DataFrame) -> pa.Schema:
    fields: list[pa.Field] = []
    for name in frame.columns:
        try:
            fields += pa.Schema.from_pandas(frame[[name]], preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            expected = "expected numbers or text alone"
            raise DataError(
                spec.data.source, f"column {str(name)!r} mixes types: {error.args[0]}; {expected}"
            ) from error
    return pa.schema(fields)


def _split(spec: Spec, frame: pd.DataFrame) -> Iterator[tuple[dict[str, str], Any]]:
    """Partition values and row positions, in order of the values."""
    by = list(spec.group_columns)
    if not by:
        yield {}, np.arange(len(frame))
        return
    for key, rows in sorted(frame.groupby(by, dropna=False).indices.items(), key=lambda item: str(item[0])):
        values = key if isinstance(key, tuple) else (key,)
        yield {name: "" if pd.isna(value) else str(value) for name, value in zip(by, values, strict=True)}, rows


def _check_name(model: str, values: dict[str, str], names: set[str]) -> None:
    for column, value in values.items():
        if not value:
            raise DataError(model, f"partition column {column!r} is missing or empty")
    if model in names:
        raise DataError(model, f"another partition is named {model!r} already")


def _blocks(frame: pd.DataFrame, groups: list[_Group], positions: list[Any], count: int) -> list[pa.Table]:
    """At most ``count`` tables of about equal size, each of whole partitions."""
    total = sum(group.rows for group in groups)
    blocks: list[list[int]] = [[]]
    filled = 0
    for number, group in enumerate(groups):
        if blocks[-1] and filled >= len(blocks) * total / count:
            blocks.append([])
        blocks[-1].append(number)
        filled += group.rows
    return [_block(frame, numbers, positions) for numbers in blocks if numbers]


def _block(frame: pd.DataFrame, numbers: list[int], positions: list[Any]) -> pa.Table:
    rows = np.concatenate([positions[number] for number in numbers])
    table = pa.Table.from_pandas(frame.iloc[rows], preserve_index=False).replace_schema_metadata()
    owner = np.repeat(numbers, [len(positions[number]) for number in numbers])
    return table.append_column(_PARTITION, pa.array(owner, type=pa.int64()))


def _process(
    blocks: list[pa.Table], groups: list[_Group], layout: Layout, window: _Window, store: ObjectStore
) -> list[dict[str, Any]]:
    if not blocks:
        return []
    from ray import data

    data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)  # it warns of the line above
    rows = (
        data.from_arrow(blocks)
        .map_batches(
            _process_block,  # type: ignore[arg-type]  # Ray's type knows of no further arguments
            batch_size=None,
            batch_format="pyarrow",
            fn_kwargs={"groups": groups, "layout": layout, "window": window, "store": store},
        )
        .take_all()
    )
    return [json.loads(row["record"]) for row in rows]


def _process_block(
    table: pa.Table, groups: list[_Group], layout: Layout, window: _Window, store: ObjectStore
) -> pa.Table:
    owners = table[_PARTITION].to_numpy()
    starts = np.flatnonzero(np.diff(owners, prepend=owners[0] - 1))
    records = []
    for start, stop in zip(starts, [*starts[1:], len(owners)], strict=True):
        number = int(owners[start])
        record = process_group(table.slice(start, stop - start), groups[number], layout, window, store)
        records.append(json.dumps({"group": number, **record}))
    return pa.table({"record": pa.array(records, type=pa.string())})


def _partition(group: _Group, record: dict[str, Any]) -> Partition:
    return Partition(
        model=group.model,
        key=group.key,
        rows=record["rows"],
        content=record["content"],
        parquet=record["parquet"],
        first_time=moment(record["first_time"]),
        last_time=moment(record["last_time"]),
    )


def _why_nothing(skipped: list[PartitionSkipped]) -> str:
    if not skipped:
        return "the source has no partition that was asked for"
    return f"no partition can be used; of {len(skipped)}, the first: {skipped[0].reason}"
