"""Linear models as three lines of numpy: scikit-learn's own steps, without what it pays around each of them.

    matrix -> gaps filled -> scaled, clipped -> X @ coefficients + intercept -> link       the same bits, in 15 us

``Front`` is the imputer and scaler that ``estimators`` puts before what cannot take gaps; a twin in ONNX uses it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from runtime.flavors.base import Floats

_REGRESSORS = (
    *("ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "HuberRegressor", "Lars", "Lasso", "LassoCV"),
    *("LassoLars", "LinearRegression", "LinearSVR", "Ridge", "RidgeCV", "SGDRegressor", "TheilSenRegressor"),
)


@dataclass(frozen=True, eq=False)
class Front:
    """Median imputer and clipping scaler; arrays are [columns]."""

    medians: Floats
    scale: Floats
    offset: Floats

    @classmethod
    def split(cls, estimator: Any) -> tuple[Front | None, Any]:
        """What stands before the last step, if Fleetward put it there, and the last step; else all of it."""
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import MinMaxScaler

        if type(estimator) is not Pipeline or len(estimator.steps) != 3:
            return None, estimator
        imputer, scaler, last = (step for _, step in estimator.steps)
        if type(imputer) is not SimpleImputer or type(scaler) is not MinMaxScaler:
            return None, estimator
        if not scaler.clip or scaler.feature_range != (0, 1) or np.isnan(imputer.statistics_).any():
            return None, estimator
        return cls(imputer.statistics_, scaler.scale_, scaler.min_), last

    def apply(self, matrix: Floats) -> Floats:
        """As the two steps do, in their order of operations."""
        filled = np.where(np.isnan(matrix), self.medians, matrix)
        filled *= self.scale
        filled += self.offset
        np.maximum(filled, 0.0, out=filled)
        np.minimum(filled, 1.0, out=filled)
        return filled


@dataclass(frozen=True, eq=False)
class FlatLinear:
    """One linear model; ``coefficients`` is [columns], ``logistic`` whether its answer is a probability."""

    front: Front | None
    coefficients: Floats
    intercept: float
    logistic: bool

    @classmethod
    def of(cls, estimator: Any) -> FlatLinear | None:
        """The flat form, or None if the estimator is no linear model of one target."""
        front, last = Front.split(estimator)
        kind = type(last)
        if not kind.__module__.startswith("sklearn.linear_model.") and not kind.__module__.startswith("sklearn.svm."):
            return None
        logistic = kind.__name__ == "LogisticRegression" and len(last.classes_) == 2
        if not logistic and kind.__name__ not in _REGRESSORS:
            return None
        coefficients = np.asarray(last.coef_, dtype=np.float64)
        if coefficients.size != coefficients.shape[-1]:
            return None
        intercept = float(np.ravel(last.intercept_)[0])
        return cls(front, np.ascontiguousarray(coefficients.ravel()), intercept, logistic)

    def predict(self, matrix: Floats) -> Floats:
        """Shape [rows]."""
        given = matrix if self.front is None else self.front.apply(matrix)
        raw = given @ self.coefficients
        raw += self.intercept
        answer: Floats = expit(raw) if self.logistic else raw
        return answer
