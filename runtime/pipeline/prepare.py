"""From a spec's source to checked partitions in the object store.

A callable gives one DataFrame: whole partitions are laid into blocks, and Ray Data checks, sorts, hashes and stores
them block by block, so rows do not travel twice. What Ray Data reads itself is streamed (see ``streamed.py``). Either
way the same content has the same digest. A partition that cannot be used is skipped with its reason; the rest go on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from runtime.domain.errors import DataError
from runtime.domain.events import PartitionSkipped
from runtime.domain.spec import Spec
from runtime.pipeline import checks
from runtime.pipeline.cores import cluster_cores
from runtime.pipeline.dataset import PreparedDataset, dataset_manifest
from runtime.pipeline.grouping import (
    Group,
    Positions,
    Window,
    Work,
    find_groups,
    partition_of,
    process_group,
    quarantine_of,
)
from runtime.pipeline.joining import Known, known_of
from runtime.pipeline.row_checks import RowRules
from runtime.pipeline.rows import Layout
from runtime.pipeline.sources import arrow_schema, as_dataset, called, quiet
from runtime.pipeline.streamed import PARTITION, Wanted, process_stream
from runtime.storage.objects import ObjectStore

Processed = tuple[list[tuple[Group, dict[str, Any]]], list[PartitionSkipped]]


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
    ``MissingColumn`` or ``DataError`` if the whole dataset is unusable, and so if no partition is left or more rows
    broke a check than ``data.bad_rows`` allows.
    """
    wanted = Wanted(spec.min_rows if min_rows is None else min_rows, None if models is None else frozenset(models))
    window, known = Window(since, as_of), known_of(spec)
    RowRules.of(spec)  # what is wrong with the checks is said before anything is read
    if isinstance(spec.data.source, str):
        layout, (processed, skipped) = _called(spec, wanted, window, known, store)
    else:
        layout, (processed, skipped) = _streamed(spec, wanted, window, known, store)
    return gathered(spec, layout, processed, skipped, store)


def frame_schema(spec: Spec, frame: pd.DataFrame) -> pa.Schema:
    """Columns and types of a DataFrame. Raises ``DataError`` for a column of several types."""
    fields: list[pa.Field] = []
    for name in frame.columns:
        try:
            fields += pa.Schema.from_pandas(frame[[name]], preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            expected = "expected numbers or text alone"
            raise DataError(
                spec.data.named, f"column {str(name)!r} mixes types: {error.args[0]}; {expected}"
            ) from error
    return pa.schema(fields)


def gathered(
    spec: Spec,
    layout: Layout,
    processed: Iterable[tuple[Group, dict[str, Any]]],
    skipped: Sequence[PartitionSkipped],
    store: ObjectStore,
) -> PreparedDataset:
    """The dataset of the groups' records, its manifest stored. Raises ``DataError`` as ``prepare``."""
    partitions, quarantined, given, left_out = [], [], 0, list(skipped)
    for group, record in processed:
        kept, reason = record.get("quarantined"), record["reason"]
        given += group.rows
        if kept is not None:
            quarantined.append(quarantine_of(group, kept))
            reason = _too_many(kept, spec) or reason
        if reason is None:
            partitions.append(partition_of(group, record))
        else:
            left_out.append(PartitionSkipped(spec=spec.name, partition=group.key, reason=reason))
    _check_all(spec, sum(each.rows for each in quarantined), given, _most(each.broke for each in quarantined))
    if not partitions:
        raise DataError(spec.name, _why_nothing(left_out))
    partitions.sort(key=lambda partition: partition.model)
    quarantined.sort(key=lambda each: each.model)
    digest = store.put(dataset_manifest(layout, partitions, quarantined))
    return PreparedDataset(spec.name, digest, layout, tuple(partitions), tuple(left_out), tuple(quarantined))


def _too_many(kept: dict[str, Any], spec: Spec) -> str | None:
    allowed = spec.data.bad_rows.of_a_partition
    if kept["rows"] <= allowed * kept["of"]:
        return None
    return (
        f"{kept['rows']} of {kept['of']} rows broke a check, above {allowed:.2%}; most often: {_most([kept['broke']])}"
    )


def _check_all(spec: Spec, bad: int, given: int, most: str) -> None:
    allowed = spec.data.bad_rows.of_all
    if bad > allowed * given:
        raise DataError(
            spec.data.named, f"{bad} of {given} rows broke a check, above {allowed:.2%} of all; most often: {most}"
        )


def _most(broke: Iterable[dict[str, int]]) -> str:
    counts = sum((Counter(each) for each in broke), Counter[str]())
    return ", ".join(f"{what} ({rows})" for what, rows in counts.most_common(3))


def _why_nothing(skipped: list[PartitionSkipped]) -> str:
    if not skipped:
        return "the source has no partition that was asked for"
    return f"no partition can be used; of {len(skipped)}, the first: {skipped[0].reason}"


# --- read by Ray Data ------------------------------------------------------------------------------


def _streamed(
    spec: Spec, wanted: Wanted, window: Window, known: tuple[Known, ...], store: ObjectStore
) -> tuple[Layout, Processed]:
    dataset = as_dataset(spec.data.source)
    schema = arrow_schema(spec.data.source, dataset)
    layout = checks.layout_of(spec, _with_joins(schema, spec, known))
    columns = [name for name in schema.names if name in _used(spec, layout)]
    return layout, process_stream(dataset, columns, Work(spec, layout, window, store, known), wanted)


def _used(spec: Spec, layout: Layout) -> set[str]:
    """Columns of the source that are needed: the layout's, and those that are joined by."""
    return {*layout.types, *(name for join in spec.data.join for name in join.on)}


def _with_joins(schema: pa.Schema, spec: Spec, known: tuple[Known, ...]) -> pa.Schema:
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


# --- a DataFrame -----------------------------------------------------------------------------------


def _called(
    spec: Spec, wanted: Wanted, window: Window, known: tuple[Known, ...], store: ObjectStore
) -> tuple[Layout, Processed]:
    found = framed(spec, wanted, window, known, store)
    blocks = _blocks(found.frame, found.groups, found.positions, 2 * cluster_cores())
    records = _process(blocks, found.groups, found.work)
    return found.work.layout, ([(found.groups[record["group"]], record) for record in records], found.skipped)


@dataclass(frozen=True, eq=False)
class Framed:
    """A callable's rows, in the columns that are needed: the partitions in them, and what they are worked on with."""

    frame: pd.DataFrame
    groups: list[Group]
    positions: list[Positions]
    skipped: list[PartitionSkipped]
    work: Work


def framed(spec: Spec, wanted: Wanted, window: Window, known: tuple[Known, ...], store: ObjectStore) -> Framed:
    """What the spec's callable gives. Raises ``DataError``, ``MissingColumn``."""
    frame = called(str(spec.data.source))
    schema = frame_schema(spec, frame)
    layout = checks.layout_of(spec, _with_joins(schema, spec, known))
    groups, positions, skipped = find_groups(spec, frame, wanted.min_rows, wanted.models)
    columns = [name for name in schema.names if name in _used(spec, layout)]
    return Framed(frame[columns], groups, positions, skipped, Work(spec, layout, window, store, known))


def process_here(found: Framed, models: Collection[str]) -> list[tuple[Group, dict[str, Any]]]:
    """These models' partitions, one after the other in this process: for few, where no Ray runs."""
    return [
        (group, process_group(pa.Table.from_pandas(found.frame.iloc[rows], preserve_index=False), group, found.work))
        for group, rows in zip(found.groups, found.positions, strict=True)
        if group.model in models
    ]


def _blocks(frame: pd.DataFrame, groups: list[Group], positions: list[Positions], count: int) -> list[pa.Table]:
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


def _block(frame: pd.DataFrame, numbers: list[int], positions: list[Positions]) -> pa.Table:
    rows = np.concatenate([positions[number] for number in numbers])
    table = pa.Table.from_pandas(frame.iloc[rows], preserve_index=False).replace_schema_metadata()
    owner = np.repeat(numbers, [len(positions[number]) for number in numbers])
    return table.append_column(PARTITION, pa.array(owner, type=pa.int64()))


def _process(blocks: list[pa.Table], groups: list[Group], work: Work) -> list[dict[str, Any]]:
    if not blocks:
        return []
    from ray import data

    quiet()
    rows = (
        data.from_arrow(blocks)
        .map_batches(
            _process_block,  # type: ignore[arg-type]  # Ray's type knows of no further arguments
            batch_size=None,
            batch_format="pyarrow",
            fn_kwargs={"groups": groups, "work": work},
        )
        .take_all()
    )
    return [json.loads(row["record"]) for row in rows]


def _process_block(table: pa.Table, groups: list[Group], work: Work) -> pa.Table:
    owners = table[PARTITION].to_numpy()
    starts = np.flatnonzero(np.diff(owners, prepend=owners[0] - 1))
    records = []
    for start, stop in zip(starts, [*starts[1:], len(owners)], strict=True):
        number = int(owners[start])
        part = table.slice(start, stop - start).drop_columns([PARTITION])
        records.append(json.dumps({"group": number, **process_group(part, groups[number], work)}))
    return pa.table({"record": pa.array(records, type=pa.string())})
