"""Does a feature know the answer? One that ranks the rows just as the target does was written after it.

A text is judged as the number that it spells, and by what the other rows of the same text have for a target.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.stats import rankdata

from runtime.domain.errors import DataError
from runtime.domain.schema import FieldKind, Task
from runtime.flavors import Column, Floats
from runtime.pipeline.rows import Layout, numbers, texts

ENOUGH_ROWS = 50
"""Fewer rows rank alike by chance more often than by leakage."""
AT_MOST_ROWS = 50_000
"""Of more, every n-th says the same."""


def check_leakage(where: str, table: object, layout: Layout, limit: float) -> None:
    """Raises ``DataError`` for a feature whose rank correlation with the target is above ``limit``.

    ``table``: canonical columns. Of a classification the target's classes are compared by how well the feature
    separates them: |2 AUC - 1| of the class against the rest.
    """
    target = numbers(table[layout.target])  # type: ignore[index]
    step = max(1, len(target) // AT_MOST_ROWS)
    target = target[::step]
    if len(target) < ENOUGH_ROWS or np.ptp(target) == 0:
        return
    for field in layout.features:
        column = table[field.name]  # type: ignore[index]
        if field.kind is FieldKind.NUMBER:
            found = _knows(numbers(column)[::step], target, layout.task)
        else:
            found = max(_knows(each, target, layout.task) for each in _of_text(texts(column)[::step], target, layout))
        if found > limit:
            raise DataError(
                where,
                f"feature {field.name!r} ranks the rows as the target {layout.target!r} does (correlation "
                f"{found:.5f}, above {limit:g}): it knows the answer; take it out, or say leakage: allowed",
            )


def _of_text(column: Column, target: Floats, layout: Layout) -> Iterator[Floats]:
    """Numbers that stand for a text: what it spells, and the share of a class, or the mean rank, in its other rows."""
    values, places, counts = np.unique(
        np.array(["" if each is None else each for each in column.tolist()]), return_inverse=True, return_counts=True
    )
    yield np.array([_number(value) for value in values.tolist()])[places]
    among = np.where(counts[places] > 1, counts[places] - 1, np.nan)  # a text that stands once says nothing of others
    if layout.task is not Task.CLASSIFICATION:
        ranked = rankdata(target)
        yield (np.bincount(places, ranked)[places] - ranked) / among
        return
    for value in np.unique(target):
        inside = (target == value).astype(np.float64)
        yield (np.bincount(places, inside)[places] - inside) / among


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _knows(feature: Floats, target: Floats, task: Task) -> float:
    present = ~np.isnan(feature)
    feature, target = feature[present], target[present]
    if len(feature) < ENOUGH_ROWS or np.ptp(feature) == 0:
        return 0.0
    if task is Task.CLASSIFICATION:
        return max(_separates(feature, target == value) for value in np.unique(target))
    return float(abs(np.corrcoef(rankdata(feature), rankdata(target))[0, 1])) if np.ptp(target) else 0.0


def _separates(feature: Floats, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    count, rest = int(inside.sum()), int((~inside).sum())
    if min(count, rest) < ENOUGH_ROWS // 5:
        return 0.0
    auc = (rankdata(feature)[inside].sum() - count * (count + 1) / 2) / (count * rest)
    return float(abs(2 * auc - 1))
