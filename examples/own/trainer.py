"""What a spec alone cannot say: which way each column may push an answer, told by its name."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import HistGradientBoostingRegressor

from runtime.flavors import Floats
from runtime.flavors.own import Given

RISES, FALLS = 1, -1
WAYS = {"amount": RISES, "income": FALLS}
"""A larger loan is never paid sooner, a larger income never later."""


def fit(matrix: Floats, target: Floats, given: Given) -> Any:
    """Seeded, so that the same rows give the same model."""
    ways = [WAYS.get(column, 0) for column in given.columns]
    estimator = HistGradientBoostingRegressor(random_state=given.seed, monotonic_cst=ways, **given.parameters)
    return estimator.fit(matrix, target, sample_weight=given.weights)
