"""From a spec's source to checked partitions in the object store.

A callable and recorded decisions give one frame (see ``framed.py``). What Ray Data reads itself is streamed (see
``streamed.py``). Either way the same content has the same digest. A partition that cannot be used is skipped with its
reason; the rest go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from runtime.domain.data import is_framed
from runtime.domain.errors import DataError
from runtime.domain.events import PartitionSkipped
from runtime.domain.events.versions import DecisionsRead
from runtime.domain.spec import Spec
from runtime.pipeline import checks
from runtime.pipeline.dataset import PreparedDataset, dataset_manifest
from runtime.pipeline.framed import framed, process_on_cluster
from runtime.pipeline.grouping import Group, Window, Work, partition_of, quarantine_of
from runtime.pipeline.joining import Known, columns_used, known_of, with_joins
from runtime.pipeline.production import Production
from runtime.pipeline.row_checks import RowRules
from runtime.pipeline.rows import Layout
from runtime.pipeline.sources import arrow_schema, as_dataset
from runtime.pipeline.streamed import Wanted, process_stream
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
    production: Production | None = None,
) -> PreparedDataset:
    """The rows with ``since <= time < as_of``, checked, split by partition and stored.

    ``min_rows`` overrides the spec's; ``models`` keeps only these; ``production`` is where decisions are read. Needs a
    Ray that is running. Raises ``MissingColumn`` or ``DataError`` if the whole dataset is unusable, and so if no
    partition is left or more rows broke a check than ``data.bad_rows`` allows.
    """
    wanted = Wanted(spec.min_rows if min_rows is None else min_rows, None if models is None else frozenset(models))
    window, known = Window(since, as_of), known_of(spec)
    RowRules.of(spec)  # what is wrong with the checks is said before anything is read
    if is_framed(spec.data.source):
        found = framed(spec, wanted, window, known, store, production)
        return gathered(spec, found.work.layout, process_on_cluster(found), found.skipped, store, found.read)
    layout, (processed, skipped) = _streamed(spec, wanted, window, known, store)
    return gathered(spec, layout, processed, skipped, store)


def gathered(
    spec: Spec,
    layout: Layout,
    processed: Iterable[tuple[Group, dict[str, Any]]],
    skipped: Sequence[PartitionSkipped],
    store: ObjectStore,
    read: DecisionsRead | None = None,
) -> PreparedDataset:
    """The dataset of the groups' records, its manifest stored. Raises ``DataError`` as ``prepare``."""
    partitions, quarantined, given, later, left_out = [], [], 0, 0, list(skipped)
    for group, record in processed:
        kept, reason = record.get("quarantined"), record["reason"]
        given += group.rows
        later += record.get("later", 0)
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
    parts = (tuple(partitions), tuple(left_out), tuple(quarantined))
    return PreparedDataset(spec.name, digest, layout, *parts, source=spec.data.named, later=later, read=read)


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
    layout = checks.layout_of(spec, with_joins(schema, spec, known))
    columns = [name for name in schema.names if name in columns_used(spec, layout)]
    return layout, process_stream(dataset, columns, Work(spec, layout, window, store, known), wanted)
