"""Our preparation of Parquet files in this process: what each worker does to blocks and partitions, without a Ray."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from runtime.domain.spec import Spec
from runtime.pipeline.checks import layout_of
from runtime.pipeline.dataset import PreparedDataset
from runtime.pipeline.grouping import Group, Window, Work, process_group
from runtime.pipeline.keys import coded
from runtime.pipeline.prepare import gathered
from runtime.storage.objects import ObjectStore


def spec_of(source: Path, numbers: int, *, leakage: bool) -> Spec:
    """A fleet by key."""
    return Spec.model_validate(
        {
            "kind": "fleet",
            "name": "m-{key}",
            "for_each": {"by": ["key"]},
            "owner": {"team": "benchmarks", "contact": "benchmarks@example.com"},
            "purpose": "to be prepared",
            "risk_tier": "low",
            "task": "regression",
            "data": {
                "source": {"parquet": str(source)},
                "time": "time",
                "target": "target",
                "features": ["place", *(f"x{at}" for at in range(numbers))],
                "leakage": 0.9999 if leakage else "allowed",
            },
            "train": {"estimator": "Ridge"},
            "gates": [{"metric": "mae", "max": 1000}],
        }
    )


def prepared(spec: Spec, source: Path, out: Path, as_of: datetime) -> PreparedDataset:
    """What ``prepare`` gives."""
    out.mkdir(exist_ok=True)
    store = ObjectStore.open(str(out))
    table = pa.concat_tables([pq.read_table(path, use_threads=False) for path in sorted(source.glob("*.parquet"))])
    work = Work(spec, layout_of(spec, table.schema), Window(None, as_of), store)
    codes, keys = coded(table["key"])
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(keys)))
    table = table.combine_chunks().take(pa.array(order))
    processed = []
    for key, start, end in zip(keys, [0, *ends[:-1]], ends, strict=True):
        group = Group(f"m-{key}", {"key": key}, int(end - start))
        processed.append((group, process_group(table.slice(start, end - start), group, work)))
    return gathered(spec, work.layout, processed, [], store)


def counts_of(dataset: PreparedDataset, out: Path) -> dict[str, int]:
    """Counts over all partitions, read from what was stored: for the comparison, and outside of what is timed."""
    store = ObjectStore.open(str(out))
    found = {"partitions": len(dataset.partitions), "rows": dataset.rows, "missing": 0, "bytes": 0}
    for partition in dataset.partitions:
        content = store.get(partition.parquet)
        found["bytes"] += len(content)
        found["missing"] += sum(column.null_count for column in pq.read_table(pa.BufferReader(content)).columns)
    return found
