"""A function of the owner's own that fits: what it is given, and which of its results can be kept.

    def fit(matrix, target, given):                     see ``Trainer``
        return Ridge(alpha=given.parameters["alpha"]).fit(matrix, target)

    scikit-learn estimator, fitted      kept by skops, through the same allow-list as one that is named in a spec
    XGBRegressor, XGBClassifier         kept as XGBoost's JSON
    LGBMRegressor, LGBMClassifier       kept as LightGBM's text

What it returns is a model like any other from then on: the same artifact, gates, package and first load. Nothing of the
function itself is in the artifact; the version's code revision says which function that was.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from runtime.domain.errors import DataError
from runtime.domain.schema import Schema, Task
from runtime.flavors import lightgbm, xgboost
from runtime.flavors.base import Floats, Storable
from runtime.flavors.brought import find_named
from runtime.flavors.encoding import Encoding
from runtime.flavors.errors import ArtifactInvalid
from runtime.flavors.estimators import wrong
from runtime.flavors.sklearn import SklearnPredictor

_AT = "train.own.function"


@dataclass(frozen=True, eq=False)
class Given:
    """What a trainer is given beside rows. ``weights``: what a row counts, [rows], where the spec lets rows age.

    The matrix has the encoding's columns in order: numbers as they are, texts as the position among ``categories``,
    NaN where a value is missing.
    """

    task: Task
    encoding: Encoding
    parameters: Mapping[str, Any]
    seed: int
    weights: Floats | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the matrix, in order."""
        return self.encoding.columns

    @property
    def categories(self) -> Mapping[str, tuple[str, ...]]:
        """Of each text column, what its numbers stand for."""
        return self.encoding.categories


class Trainer(Protocol):
    """A function that fits. The same rows, parameters and seed must give the same model."""

    def __call__(self, matrix: Floats, target: Floats, given: Given) -> Any:
        """A fitted estimator, [rows, columns] and [rows]; ``target`` of a classification is the class's number."""
        ...


def check(function: str) -> Trainer:
    """The function that the spec names. Raises ``SpecError``."""
    try:
        found, _ = find_named(function)
    except ArtifactInvalid as error:
        raise wrong(_AT, function, f"a function in the code at hand ({error.reason})") from error
    try:
        inspect.signature(found).bind(None, None, None)
    except (TypeError, ValueError) as error:
        raise wrong(_AT, function, f"a function of matrix, target and given ({error})") from error
    trainer: Trainer = found
    return trainer


def fit(function: str, matrix: Floats, target: Floats, given: Given, schema: Schema) -> Storable:
    """What the function made, as a predictor. Raises ``SpecError``, ``DataError``, and what the function raises."""
    made = check(function)(matrix, target, given)
    library = type(made).__module__.partition(".")[0]
    answers = "predict_proba" if schema.task is Task.CLASSIFICATION else "predict"
    if not callable(getattr(made, answers, None)):
        raise DataError(function, f"it gave a {type(made).__name__}, which has no {answers}")
    if library == "xgboost":
        return xgboost.fitted(made, schema, given.encoding)
    if library == "lightgbm":
        return lightgbm.fitted(made, schema, given.encoding)
    if not hasattr(made, "get_params"):
        raise DataError(function, f"it gave a {type(made).__name__}; expected an estimator of scikit-learn's interface")
    if getattr(made, "n_features_in_", matrix.shape[1]) != matrix.shape[1]:
        raise DataError(function, f"it was fitted on {made.n_features_in_} columns, not on {matrix.shape[1]}")
    return SklearnPredictor(made, schema, given.encoding)
