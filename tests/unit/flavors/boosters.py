"""What the tests of flavors are made of: columns with gaps, a schema, and predictors fitted on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.domain.schema import Field, FieldKind, Schema
from runtime.flavors import Columns, Encoding, Floats
from runtime.flavors.estimators import make_estimator
from runtime.flavors.sklearn import SklearnPredictor

SCHEMA = Schema(
    inputs=(
        Field(name="hour", kind=FieldKind.NUMBER),
        Field(name="distance", kind=FieldKind.NUMBER),
        Field(name="dest", kind=FieldKind.TEXT),
    ),
    outputs=(Field(name="prediction", kind=FieldKind.NUMBER),),
)
BOOSTER = "HistGradientBoostingRegressor"
QUICK = {"max_iter": 15}


def columns(rows: int = 200, seed: int = 1) -> dict[str, Any]:
    """A tenth of each column is missing."""
    chance = np.random.default_rng(seed)
    gaps = chance.random((rows, 3)) < 0.1
    dest = chance.choice(["LAX", "ORD", "SFO"], rows).astype(object)
    dest[gaps[:, 2]] = None
    return {
        "hour": np.where(gaps[:, 0], np.nan, chance.uniform(6, 22, rows)),
        "distance": np.where(gaps[:, 1], np.nan, chance.uniform(100, 2500, rows)),
        "dest": dest,
    }


def target(given: Columns, seed: int = 1) -> Floats:
    """Minutes in the air, always above 0."""
    chance = np.random.default_rng(seed)
    distance = np.nan_to_num(given["distance"], nan=1000.0)
    return np.asarray(20 + distance / 8 + chance.uniform(0, 10, len(distance)))


def fitted(estimator: str = BOOSTER, **parameters: Any) -> SklearnPredictor:
    """The same predictor whenever it is asked for; an estimator of its own each time."""
    given = columns()
    encoding = Encoding.learn(given, SCHEMA)
    made = make_estimator(estimator, QUICK | parameters if estimator == BOOSTER else parameters, seed=2013)
    return SklearnPredictor(made.fit(encoding.matrix(given), target(given)), SCHEMA, encoding)
