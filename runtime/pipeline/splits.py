"""Where rows are parted into those that train and those that judge, so that nothing stands on both sides.

    time        in order of time                        a moment is never cut
    random      dealt out by chance, class by class     rows that are equal in every column stay together
    grouped     a column's values dealt out by chance   rows of one value stay together; rows without one stand alone

A plan puts rows into this order; the holdout and the folds of cross-validation are then cut out of it, at the
place nearest to the wanted share where two rows do not belong together (``cuts``).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from runtime.domain.data import GroupedSplit, RandomSplit, Split
from runtime.domain.errors import DataError
from runtime.domain.spec import Spec
from runtime.flavors import Column
from runtime.pipeline.rows import Rows

Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]


def ordered(rows: Rows, split: Split | None, *, classes: bool) -> Rows:
    """The rows in the order that the split cuts: by ``time`` they are in it already.

    ``classes``: the target's values are classes, of which every stretch has its share where chance deals.
    """
    if isinstance(split, RandomSplit):
        return rows.take(_dealt(rows, np.random.default_rng(split.random), classes=classes))
    if isinstance(split, GroupedSplit):
        return rows.take(_by_value(rows.slices[split.grouped], np.random.default_rng(split.seed)))
    return rows


def cuts(rows: Rows, split: Split | None, wanted: Iterable[int]) -> list[int]:
    """For each wanted place the nearest one where rows may be parted.

    Rows of one moment alone are parted anywhere. Raises ``DataError`` for rows that chance may not part.
    """
    begins = np.flatnonzero(_parts(rows, split)) + 1
    if begins.size:
        return [int(begins[np.argmin(np.abs(begins - at))]) for at in wanted]
    if isinstance(split, GroupedSplit):
        raise DataError(split.grouped, f"all {len(rows)} rows have one value, and are not parted by it")
    return list(wanted)


def check_duplicates(spec: Spec, where: str, training: Rows, judging: Rows) -> None:
    """Raises ``DataError`` if more than ``data.duplicates`` of the rows that judge equal one that trains.

    Times do not count: a row that was copied with another time is known to the model as well.
    """
    limit = spec.data.duplicates
    if limit is None:
        return
    known = np.isin(_hashes(judging), _hashes(training))
    if (found := int(known.sum())) > limit * len(judging):
        raise DataError(
            where,
            f"{found} of {len(judging)} rows that judge equal a row that trains in {spec.data.target!r} and every "
            f"feature, above {limit:.2%} (data.duplicates)",
        )


def _dealt(rows: Rows, rng: np.random.Generator, *, classes: bool) -> Places:
    """Runs of equal rows by chance. Equal rows are neighbours, since rows come sorted by every column."""
    run = np.concatenate(([0], np.cumsum(_differ(rows))))
    starts = np.flatnonzero(np.diff(run, prepend=-1))
    rank = rng.permutation(len(starts)).astype(np.float64)
    if classes:
        target = rows.target[starts]
        for value in np.unique(target):
            mine = np.flatnonzero(target == value)
            rank[mine] = (rank[mine].argsort().argsort() + rng.random()) / len(mine)
    return np.argsort(rank[run], kind="stable")


def _by_value(column: Column, rng: np.random.Generator) -> Places:
    values = [f"\x00{at}" if value is None else str(value) for at, value in enumerate(column.tolist())]
    names, places = np.unique(np.array(values, dtype=object), return_inverse=True)
    return np.argsort(rng.permutation(len(names))[places], kind="stable")


def _parts(rows: Rows, split: Split | None) -> Bools:
    """Whether a row may stand on another side than the one before it, [rows - 1]."""
    if isinstance(split, RandomSplit):
        return _differ(rows)
    if isinstance(split, GroupedSplit):
        values = rows.slices[split.grouped]
        apart: Bools = (values[1:] != values[:-1]) | (values[1:] == None)  # noqa: E711 - of each element
        return apart.astype(np.bool_)
    moments: Bools = np.diff(rows.time) != 0
    return moments


def _differ(rows: Rows) -> Bools:
    """Whether a row differs from the one before it in any column."""
    found: Bools = np.diff(rows.time) != 0
    for column in (rows.target, *rows.columns.values(), *rows.slices.values()):
        same = column[1:] == column[:-1]
        if column.dtype != object:
            same |= np.isnan(column[1:]) & np.isnan(column[:-1])
        found |= ~same.astype(np.bool_)
    return found


def _hashes(rows: Rows) -> npt.NDArray[np.uint64]:
    """One number a row, of the target and every feature."""
    import pandas as pd

    frame = pd.DataFrame({"": rows.target, **rows.columns})
    return np.asarray(pd.util.hash_pandas_object(frame, index=False), dtype=np.uint64)
