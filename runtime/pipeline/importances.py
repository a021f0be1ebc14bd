"""How much a version's answers hang on each of its input columns, measured on the version itself.

A column's values are dealt out anew among the rows (Breiman, "Random Forests", Machine Learning 2001, section 10), and
its importance is how far answers move, on average over the rows; as shares that add up to 1. Breiman asks how much
worse answers become. How far they move needs no outcomes, is not made small by rows that the version was fitted to,
and is what a monitor asks of a column that moved: does it matter to the answers?
"""

from __future__ import annotations

import numpy as np

from runtime.flavors import Columns, Predictor
from runtime.flavors.base import Waiting

ROWS = 500
"""At most so many rows are asked again, once for each column."""


def importances(predictor: Predictor, columns: Columns, *, seed: int) -> dict[str, float]:
    """By input column; nothing of a version that answers from elsewhere, without rows, or where nothing moves it."""
    rows = len(next(iter(columns.values()), ()))
    if isinstance(predictor, Waiting) or not rows:
        return {}
    chance = np.random.default_rng(seed)
    chosen = np.sort(chance.choice(rows, min(rows, ROWS), replace=False))
    asked = {name: values[chosen] for name, values in columns.items()}
    answers, is_class = predictor.predict(asked), predictor.schema.gives_class
    moved = {}
    for name in (each.name for each in predictor.schema.inputs):
        again = predictor.predict({**asked, name: asked[name][chance.permutation(len(chosen))]})
        with np.errstate(invalid="ignore"):  # of two infinite answers: it is no number, and left out
            apart = (again != answers).astype(np.float64) if is_class else np.abs(again - answers)
        moved[name] = float(np.mean(apart[np.isfinite(apart)])) if np.isfinite(apart).any() else 0.0
    total = sum(moved.values())
    return {name: value / total for name, value in moved.items()} if total > 0 else {}
