"""Sources that Ray Data reads: rows go to their partitions block by block, so that more than memory holds is fine.

What is worked on at a time is one block, or one partition: the largest partition must fit a worker's memory, as it
must when a model is fitted to it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain.errors import DataError
from runtime.domain.events import PartitionSkipped
from runtime.domain.fleet import model_name
from runtime.domain.spec import Spec
from runtime.pipeline import checks
from runtime.pipeline.cores import cluster_cores
from runtime.pipeline.grouping import Group, Work, check_name, named, process_group
from runtime.pipeline.keys import texts_of

PARTITION = "__partition"
_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Wanted:
    """Which partitions are worked on: those named in ``models`` (all if ``None``), with at least ``min_rows``."""

    min_rows: int
    models: frozenset[str] | None


def process_stream(
    dataset: Any, columns: Sequence[str], work: Work, wanted: Wanted
) -> tuple[list[tuple[Group, dict[str, Any]]], list[PartitionSkipped]]:
    """Each usable partition with what became of it, in order of the models' names; and those without enough rows."""
    rows = dataset.map_batches(
        _keyed,
        batch_size=None,
        batch_format="pyarrow",
        zero_copy_batch=True,
        fn_kwargs={"spec": work.spec, "columns": list(columns), "models": wanted.models},
    )
    records = [json.loads(row["record"]) for row in _by_partition(rows, work, wanted).take_all()]
    found, skipped, names = [], [], set[str]()
    for record in sorted(records, key=lambda each: (each["model"], str(each["key"]))):
        group = Group(record["model"], record["key"], record["rows_given"])
        try:
            _check(record, group, names, wanted.min_rows)
        except DataError as error:
            skipped.append(PartitionSkipped(spec=work.spec.name, partition=group.key, reason=error.reason))
            continue
        names.add(group.model)
        found.append((group, record))
    return found, skipped


def _check(record: dict[str, Any], group: Group, names: set[str], min_rows: int) -> None:
    """Raises ``DataError`` for a partition without a name of its own or without enough rows."""
    if record["unnamed"] is not None:
        raise DataError(group.model, record["unnamed"])
    check_name(group.model, group.key, names)
    checks.check_rows(group.model, group.rows, min_rows)


def count_rows(dataset: Any, spec: Spec) -> dict[str, int]:
    """Rows of every partition that has a name, by model."""
    by = list(spec.group_columns)
    if not by:
        return {model_name(spec, {}): dataset.count()}
    rows = dataset.map_batches(
        _keyed, batch_size=None, batch_format="pyarrow", fn_kwargs={"spec": spec, "columns": by, "models": None}
    )
    found = {}
    for row in rows.select_columns([PARTITION]).groupby(PARTITION).count().take_all():
        key = _values(spec, row[PARTITION])
        if all(key.values()):
            with suppress(DataError):  # a preparation says why it has no name
                found[named(spec, key)] = int(row["count()"])
    return found


def _by_partition(rows: Any, work: Work, wanted: Wanted) -> Any:
    given = {"work": work, "min_rows": wanted.min_rows}
    if not work.spec.group_columns:
        return rows.repartition(1).map_batches(
            _process, batch_size=None, batch_format="pyarrow", zero_copy_batch=True, fn_kwargs=given
        )
    return rows.groupby(PARTITION, num_partitions=2 * cluster_cores()).map_groups(
        _process, batch_format="pyarrow", fn_kwargs=given
    )


def _keyed(table: pa.Table, spec: Spec, columns: list[str], models: frozenset[str] | None) -> pa.Table:
    """The columns that are used, and each row's partition as text; only rows of the models that are wanted."""
    table = table.select(columns)
    by = list(spec.group_columns)
    if not by:
        return table.append_column(PARTITION, pa.array([""] * len(table), pa.string()))
    parts = [texts_of(table[name]) for name in by]
    key = pc.binary_join_element_wise(*parts, _SEPARATOR) if len(parts) > 1 else parts[0]
    table = table.append_column(PARTITION, key)
    if models is None:
        return table
    kept = [each for each in pc.unique(key).to_pylist() if _is_of(spec, each, models)]
    return table.filter(pc.is_in(key, value_set=pa.array(kept, pa.string())))


def _is_of(spec: Spec, key: str, models: frozenset[str]) -> bool:
    try:
        return named(spec, _values(spec, key)) in models
    except DataError:  # it has no name, so nobody asks for it
        return False


def _values(spec: Spec, key: str) -> dict[str, str]:
    return dict(zip(spec.group_columns, key.split(_SEPARATOR), strict=True)) if spec.group_columns else {}


def _process(table: pa.Table, work: Work, min_rows: int) -> pa.Table:
    """Runs in a worker, on one whole partition."""
    if not len(table):
        return pa.table({"record": pa.array([], pa.string())})
    key = _values(work.spec, table[PARTITION][0].as_py())
    try:
        model, unnamed = named(work.spec, key), None
    except DataError as error:
        model, unnamed = "", error.reason
    record: dict[str, Any] = {"model": model, "key": key, "rows_given": len(table), "unnamed": unnamed}
    if len(table) >= min_rows and all(key.values()) and unnamed is None:
        group = Group(model, key, len(table))
        record |= process_group(table.drop_columns([PARTITION]), group, work)
    return pa.table({"record": pa.array([json.dumps(record)], pa.string())})
