"""Rows that come as one frame in the job's memory: of a callable, or of recorded decisions.

Whole partitions are laid into blocks, and Ray Data checks, sorts, hashes and stores them block by block, so rows do
not travel twice. Of few partitions this process does the same by itself, where no Ray runs.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from runtime.domain.errors import DataError
from runtime.domain.events import PartitionSkipped
from runtime.domain.events.versions import DecisionsRead
from runtime.domain.spec import Spec
from runtime.pipeline import checks
from runtime.pipeline.cores import cluster_cores
from runtime.pipeline.decisions import Decided, decided
from runtime.pipeline.grouping import Group, Positions, Window, Work, find_groups, process_group
from runtime.pipeline.joining import Known, columns_used, with_joins
from runtime.pipeline.production import Production
from runtime.pipeline.sources import called, frame_schema, quiet
from runtime.pipeline.streamed import PARTITION, Wanted
from runtime.storage.objects import ObjectStore


@dataclass(frozen=True, eq=False)
class Framed:
    """The rows, in the columns that are needed: the partitions in them, and what they are worked on with."""

    frame: pd.DataFrame
    groups: list[Group]
    positions: list[Positions]
    skipped: list[PartitionSkipped]
    work: Work
    read: DecisionsRead | None = None


def framed(
    spec: Spec,
    wanted: Wanted,
    window: Window,
    known: tuple[Known, ...],
    store: ObjectStore,
    production: Production | None = None,
) -> Framed:
    """What the spec's callable gives, or what of its decisions is recorded. Raises ``DataError``, ``MissingColumn``."""
    frame, found = frame_of(spec, production, window.as_of, wanted.models)
    schema = frame_schema(spec, frame)
    layout = checks.layout_of(spec, with_joins(schema, spec, known))
    groups, positions, skipped = find_groups(spec, frame, wanted.min_rows, wanted.models)
    columns = [name for name in schema.names if name in columns_used(spec, layout)]
    work, read = Work(spec, layout, window, store, known), None if found is None else found.kept(store)
    return Framed(frame[columns], groups, positions, skipped, work, read)


def frame_of(
    spec: Spec, production: Production | None, as_of: datetime | None, models: Collection[str] | None = None
) -> tuple[pd.DataFrame, Decided | None]:
    """The source's rows; if they are recorded decisions, those of before ``as_of`` that become these models'."""
    if isinstance(spec.data.source, str):
        return called(spec.data.source), None
    if production is None:
        raise DataError(spec.data.named, "decisions are read where a ledger is known, and here none is")
    found = decided(spec, production, as_of, models)
    return found.frame, found


def process_here(found: Framed, models: Collection[str]) -> list[tuple[Group, dict[str, Any]]]:
    """These models' partitions, one after the other in this process: for few, where no Ray runs."""
    return [
        (group, process_group(pa.Table.from_pandas(found.frame.iloc[rows], preserve_index=False), group, found.work))
        for group, rows in zip(found.groups, found.positions, strict=True)
        if group.model in models
    ]


def process_on_cluster(found: Framed) -> list[tuple[Group, dict[str, Any]]]:
    """All partitions. Needs a Ray that is running."""
    blocks = _blocks(found.frame, found.groups, found.positions, 2 * cluster_cores())
    return [(found.groups[record["group"]], record) for record in _process(blocks, found.groups, found.work)]


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
