"""Does a feature know the answer? One that ranks the rows just as the target does was written after it.

A text is judged as the number that it spells, and by what the other rows of the same text have for a target.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
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
            found = _text_knows(texts(column)[::step], target, layout)
        if found > limit:
            raise DataError(
                where,
                f"feature {field.name!r} ranks the rows as the target {layout.target!r} does (correlation "
                f"{found:.5f}, above {limit:g}): it knows the answer; take it out, or say leakage: allowed",
            )


def _text_knows(column: Column, target: Floats, layout: Layout) -> float:
    """By the number that a text spells, or by the share of a class, or the mean rank, in the other rows of the text."""
    values, places, counts = np.unique(
        np.array(["" if each is None else each for each in column.tolist()]), return_inverse=True, return_counts=True
    )
    spelled = np.array([_number(value) for value in values.tolist()])[places]
    others = _means_of_others(target, places, counts, layout.task)
    return max(
        _knows(spelled, target, layout.task),
        # Only one way round: the others' mean falls as a row's own target rises, whether or not the text says anything.
        *(_rises(each, target, layout.task, value) for value, each in others),
    )


def _means_of_others(
    target: Floats, places: NDArray[np.intp], counts: NDArray[np.intp], task: Task
) -> Iterator[tuple[float, Floats]]:
    """Of each row, what the others of its text have: by class, or (as class 0) of ranks."""
    among = np.where(counts[places] > 1, counts[places] - 1, np.nan)  # a text that stands once says nothing of others
    if task is not Task.CLASSIFICATION:
        ranked = rankdata(target)
        yield 0.0, (np.bincount(places, ranked)[places] - ranked) / among
        return
    for value in np.unique(target):
        inside = (target == value).astype(np.float64)
        yield float(value), (np.bincount(places, inside)[places] - inside) / among


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _knows(feature: Floats, target: Floats, task: Task) -> float:
    """How well the feature ranks the rows as the target does, either way round."""
    if task is not Task.CLASSIFICATION:
        return max(_rises(feature, target, task), _rises(-feature, target, task))
    values = np.unique(target)
    return max(_rises(each, target, task, value) for value in values for each in (feature, -feature))


def _rises(feature: Floats, target: Floats, task: Task, value: float = 0.0) -> float:
    """How well the feature rises with the target, or with being of the class ``value``; 1 at most."""
    present = ~np.isnan(feature)
    feature, target = feature[present], target[present]
    if len(feature) < ENOUGH_ROWS or np.ptp(feature) == 0:
        return 0.0
    if task is Task.CLASSIFICATION:
        return _separates(feature, target == value)
    return float(np.corrcoef(rankdata(feature), rankdata(target))[0, 1]) if np.ptp(target) else 0.0


def _separates(feature: Floats, inside: NDArray[np.bool_]) -> float:
    count, rest = int(inside.sum()), int((~inside).sum())
    if min(count, rest) < ENOUGH_ROWS // 5:
        return 0.0
    auc = (rankdata(feature)[inside].sum() - count * (count + 1) / 2) / (count * rest)
    return float(2 * auc - 1)
