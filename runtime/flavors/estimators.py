"""scikit-learn regressors by name, wrapped so that all of them take one float64 matrix with NaN in it."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from runtime.domain.errors import SpecError

_COMMON = {
    "HistGradientBoostingRegressor": "sklearn.ensemble",
    "Ridge": "sklearn.linear_model",
}


@cache
def regressors() -> dict[str, type]:
    """Every regressor of scikit-learn by its class name."""
    from sklearn.utils import all_estimators

    return dict(all_estimators(type_filter="regressor"))


def make_estimator(name: str, parameters: Mapping[str, Any], *, seed: int) -> Any:
    """An unfitted estimator; one that cannot take NaN stands behind a median imputer and a scaler.

    Raises ``SpecError`` for an unknown name or parameter, with what is close to it, and for a regressor that
    is made of others and so cannot be built from plain parameters.
    """
    kind = _class_of(name)
    try:
        estimator: Any = kind()
    except TypeError as error:
        raise _wrong("train.estimator", name, f"a regressor that needs no other estimator ({error})") from error
    known = estimator.get_params(deep=False)
    for parameter in parameters:
        if parameter not in known:
            raise _wrong("train.search", parameter, f"a parameter of {name}{_close(parameter, known)}")
    seeded = {"random_state": seed} if "random_state" in known else {}
    estimator.set_params(**{**seeded, **parameters})
    if estimator.__sklearn_tags__().input_tags.allow_nan:
        return estimator
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler

    # Clipped: outside of what was seen in training, a linear model must not go on along its line.
    steps = [("impute", SimpleImputer(strategy="median")), ("scale", MinMaxScaler(clip=True)), ("regress", estimator)]
    return Pipeline(steps)


def check_weights(estimator: Any, name: str) -> None:
    """Raises ``SpecError`` if the estimator cannot count some rows less than others."""
    from sklearn.utils.validation import has_fit_parameter

    if not has_fit_parameter(_last(estimator), "sample_weight"):
        raise _wrong("retrain.half_life", name, "an estimator that takes weights of rows, or no half_life")


def weight_arguments(estimator: Any, weights: Any) -> dict[str, Any]:
    """What ``fit`` is given beside rows and target so that row i counts ``weights[i]``."""
    if weights is None:
        return {}
    return {"sample_weight" if _last(estimator) is estimator else "regress__sample_weight": weights}


def _last(estimator: Any) -> Any:
    return estimator.named_steps["regress"] if hasattr(estimator, "named_steps") else estimator


def _class_of(name: str) -> type:
    # The common cases without all_estimators, which imports the whole of scikit-learn.
    if name in _COMMON:
        found: type = getattr(importlib.import_module(_COMMON[name]), name)
        return found
    try:
        return regressors()[name]
    except KeyError:
        raise _wrong("train.estimator", name, f"a regressor of scikit-learn{_close(name, regressors())}") from None


def _close(word: str, known: Mapping[str, Any]) -> str:
    found = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _wrong(path: str, value: str, expected: str) -> SpecError:
    return SpecError("spec", None, path, repr(value), expected)
