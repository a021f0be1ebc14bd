"""Does a feature know the answer? One that ranks the rows just as the target does was written after it."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from runtime.domain.errors import DataError
from runtime.domain.schema import FieldKind, Task
from runtime.flavors import Floats
from runtime.pipeline.rows import Layout, numbers

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
        if field.kind is not FieldKind.NUMBER:
            continue
        found = _knows(numbers(table[field.name])[::step], target, layout.task)  # type: ignore[index]
        if found > limit:
            raise DataError(
                where,
                f"feature {field.name!r} ranks the rows as the target {layout.target!r} does (correlation "
                f"{found:.5f}, above {limit:g}): it knows the answer; take it out, or say leakage: allowed",
            )


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
