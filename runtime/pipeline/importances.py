"""How much a version's answers hang on each of its input columns, measured on the version itself.

A column's values are dealt out anew among the rows (Breiman, "Random Forests", Machine Learning 2001, section 10), and
its importance is how far answers move, on average over the rows; as shares that add up to 1. Breiman asks how much
worse answers become. How far they move needs no outcomes, is not made small by rows that the version was fitted to,
and is what a monitor asks of a column that moved: does it matter to the answers?
"""

from __future__ import annotations

import numpy as np

from runtime.flavors import Column, Columns, Floats, Predictor
from runtime.flavors.base import Waiting

ROWS = 500
"""At most so many rows are asked again, once for each column."""
COLUMNS_AT_ONCE = 16
"""A prediction of few rows is mostly its own overhead, so that those for several columns are one."""


def importances(predictor: Predictor, columns: Columns, *, seed: int) -> dict[str, float]:
    """By input column; nothing of a version that answers from elsewhere, without rows, or where nothing moves it."""
    rows = len(next(iter(columns.values()), ()))
    if isinstance(predictor, Waiting) or not rows:
        return {}
    chance = np.random.default_rng(seed)
    chosen = np.sort(chance.choice(rows, min(rows, ROWS), replace=False))
    asked = {name: values[chosen] for name, values in columns.items()}
    answers, is_class = predictor.predict(asked), predictor.schema.gives_class
    names = [each.name for each in predictor.schema.inputs]
    moved: dict[str, float] = {}
    for first in range(0, len(names), COLUMNS_AT_ONCE):
        some = names[first : first + COLUMNS_AT_ONCE]
        again = predictor.predict(_dealt(asked, some, chance)).reshape(len(some), len(chosen))
        with np.errstate(invalid="ignore"):  # of two infinite answers: it is no number, and left out
            apart = (again != answers).astype(np.float64) if is_class else np.abs(again - answers)
        moved |= {name: _mean(each) for name, each in zip(some, apart, strict=True)}
    total = sum(moved.values())
    return {name: value / total for name, value in moved.items()} if total > 0 else {}


def _dealt(columns: Columns, names: list[str], chance: np.random.Generator) -> dict[str, Column]:
    """The rows once for each of these columns, in which that column's values are dealt out anew."""
    rows = len(columns[names[0]])
    stacked = {name: np.tile(values, len(names)) for name, values in columns.items()}
    for place, name in enumerate(names):
        stacked[name][place * rows : (place + 1) * rows] = columns[name][chance.permutation(rows)]
    return stacked


def _mean(apart: Floats) -> float:
    finite = apart[np.isfinite(apart)]
    return float(finite.mean()) if finite.size else 0.0
