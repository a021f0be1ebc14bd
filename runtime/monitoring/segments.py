"""Reads a segment into the batches the monitor counts: one for each model, version and variant in it.

Inputs that were sealed under a data subject's key are opened in memory, to be counted. Rows whose key is destroyed
come in batches of their own, without inputs: what was predicted for them still counts. What testers asked for does not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain.decision import Variant
from runtime.domain.flags import NOT_FINITE, REFUSED, TESTED
from runtime.monitoring.rows import Answered, DecisionRows, OutcomeRows
from runtime.storage.inputs import KeyOf, opened
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import read_segment, recorded_inputs

_NO_INPUTS = (np.empty((0, 0)), np.empty((0, 0), dtype=object))


def every(model: str) -> bool:  # noqa: ARG001
    """Of one monitor: all models are its own."""
    return True


def decisions_of(
    store: ObjectStore, digest: str, key_of: KeyOf, owns: Callable[[str], bool] = every
) -> list[DecisionRows]:
    """The decisions of a segment on the models that ``owns`` is true of.

    Raises what ``read_segment``, ``opened`` and ``key_of`` raise.
    """
    readable, erased = opened(_traffic(read_segment(store, digest, models=owns)), key_of)
    return [*_batches(readable, erased=False), *_batches(erased, erased=True)]


def _traffic(table: pa.Table) -> pa.Table:
    """Without the rows that testers asked for."""
    flags = table["flags"].combine_chunks()
    tested = pc.filter(pc.list_parent_indices(flags), pc.equal(pc.list_flatten(flags), TESTED))
    if not len(tested):
        return table
    keeps = np.ones(len(table), dtype=np.bool_)
    keeps[tested.to_numpy()] = False
    return table.filter(pa.array(keeps))


def _batches(table: pa.Table, *, erased: bool) -> list[DecisionRows]:
    batches = []
    for (model, version, variant), part in _groups(table, ("model", "version", "variant")):
        numbers, texts = _NO_INPUTS if erased else recorded_inputs(part)
        batches.append(
            DecisionRows(
                model=model,
                version=int(version),
                variant=Variant(variant),
                keys=_keys(part),
                numbers=numbers,
                texts=texts,
                outputs=part["output"].to_pylist(),
                erased=erased,
                times=part["event_time"].cast(pa.int64()).to_numpy(),
                answers=_answers(part),
            )
        )
    return batches


def _answers(part: pa.Table) -> list[Answered]:
    plain = [part[name].to_pylist() for name in ("row", "caller")]
    times = [part[name].cast(pa.int64()).to_pylist() for name in ("time", "event_time")]
    rows = zip(*plain, *times, part["latency_us"].to_pylist(), part["flags"].to_pylist(), strict=True)
    return [
        Answered(row, caller, time, event_time, latency, failed=REFUSED in flags or NOT_FINITE in flags)
        for row, caller, time, event_time, latency, flags in rows
    ]


def outcomes_of(store: ObjectStore, digest: str, owns: Callable[[str], bool] = every) -> list[OutcomeRows]:
    """The outcomes of a segment for the models that ``owns`` is true of. Raises what ``read_segment`` raises."""
    table = read_segment(store, digest, models=owns)
    batches = []
    for (model,), part in _groups(table, ("model",)):
        rows = zip(_keys(part), part["actual"].to_pylist(), strict=True)
        batches.append(OutcomeRows(model=model, rows=[(key[0], key[1], actual) for key, actual in rows]))
    return batches


def _keys(table: pa.Table) -> list[tuple[str, int]]:
    return list(zip(table["decision_id"].to_pylist(), table["row"].to_pylist(), strict=True))


def _groups(table: pa.Table, columns: tuple[str, ...]) -> list[tuple[tuple[str, ...], pa.Table]]:
    """Parts of the table with equal values in the columns, ordered by them; rows keep their order."""
    keys = list(zip(*(table[column].to_pylist() for column in columns), strict=True))
    places: dict[tuple[str, ...], list[int]] = {}
    for index, key in enumerate(keys):
        places.setdefault(key, []).append(index)
    return [(key, table.take(pa.array(places[key]))) for key in sorted(places)]
