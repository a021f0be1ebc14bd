"""Reads a segment into the batches the monitor counts: one for each model, version and variant in it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain.decision import Variant
from runtime.monitoring.rows import DecisionRows, OutcomeRows
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import read_segment


def decisions_of(store: ObjectStore, digest: str) -> list[DecisionRows]:
    """The decisions of a segment. Raises what ``read_segment`` raises."""
    table = read_segment(store, digest)
    batches = []
    for (model, version, variant), part in _groups(table, ("model", "version", "variant")):
        rows = part.num_rows
        batches.append(
            DecisionRows(
                model=model,
                version=int(version),
                variant=Variant(variant),
                keys=_keys(part),
                numbers=_flat(part, "numbers").to_numpy(zero_copy_only=False).astype(np.float64).reshape(rows, -1),
                texts=np.array(_flat(part, "texts").to_pylist(), dtype=object).reshape(rows, -1),
                outputs=part["output"].to_pylist(),
            )
        )
    return batches


def outcomes_of(store: ObjectStore, digest: str) -> list[OutcomeRows]:
    """The outcomes of a segment. Raises what ``read_segment`` raises."""
    table = read_segment(store, digest)
    batches = []
    for (model,), part in _groups(table, ("model",)):
        rows = zip(_keys(part), part["actual"].to_pylist(), strict=True)
        batches.append(OutcomeRows(model=model, rows=[(key[0], key[1], actual) for key, actual in rows]))
    return batches


def _keys(table: pa.Table) -> list[tuple[str, int]]:
    return list(zip(table["decision_id"].to_pylist(), table["row"].to_pylist(), strict=True))


def _flat(table: pa.Table, column: str) -> pa.Array:
    """The values of a list column, one after another; all rows of a version have the same width."""
    return pc.list_flatten(table[column].combine_chunks())


def _groups(table: pa.Table, columns: tuple[str, ...]) -> list[tuple[tuple[str, ...], pa.Table]]:
    """Parts of the table with equal values in the columns, ordered by them; rows keep their order."""
    keys = list(zip(*(table[column].to_pylist() for column in columns), strict=True))
    places: dict[tuple[str, ...], list[int]] = {}
    for index, key in enumerate(keys):
        places.setdefault(key, []).append(index)
    return [(key, table.take(pa.array(places[key]))) for key in sorted(places)]
