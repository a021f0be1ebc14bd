"""scikit-learn regressors by name, wrapped so that all of them take one float64 matrix with NaN in it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from typing import Any

from runtime.domain.errors import SpecError


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
    from sklearn.preprocessing import StandardScaler

    steps = [("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler()), ("regress", estimator)]
    return Pipeline(steps)


def _class_of(name: str) -> type:
    import sklearn.ensemble

    # The common case without all_estimators, which imports the whole of scikit-learn.
    if name == "HistGradientBoostingRegressor":
        return sklearn.ensemble.HistGradientBoostingRegressor  # type: ignore[no-any-return]
    try:
        return regressors()[name]
    except KeyError:
        raise _wrong("train.estimator", name, f"a regressor of scikit-learn{_close(name, regressors())}") from None


def _close(word: str, known: Mapping[str, Any]) -> str:
    found = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _wrong(path: str, value: str, expected: str) -> SpecError:
    return SpecError("spec", None, path, repr(value), expected)
