"""scikit-learn's estimators by name, wrapped so that all of them take one float64 matrix with NaN in it."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from runtime.domain.errors import SpecError
from runtime.domain.schema import Task
from runtime.domain.terms import SearchTerm

_COMMON = {
    Task.REGRESSION: {"HistGradientBoostingRegressor": "sklearn.ensemble", "Ridge": "sklearn.linear_model"},
    Task.CLASSIFICATION: {
        "HistGradientBoostingClassifier": "sklearn.ensemble",
        "LogisticRegression": "sklearn.linear_model",
    },
}


_STEPS = {Task.REGRESSION: "regress", Task.CLASSIFICATION: "classify"}


@cache
def regressors() -> dict[str, type]:
    """Every regressor of scikit-learn by its class name."""
    from sklearn.utils import all_estimators

    return dict(all_estimators(type_filter="regressor"))


@cache
def classifiers() -> dict[str, type]:
    """Every classifier of scikit-learn that can give probabilities, by its class name."""
    from sklearn.utils import all_estimators

    return {name: kind for name, kind in all_estimators(type_filter="classifier") if hasattr(kind, "predict_proba")}


def make_estimator(name: str, parameters: Mapping[str, Any], *, seed: int, task: Task = Task.REGRESSION) -> Any:
    """An unfitted estimator; one that cannot take NaN stands behind a median imputer and a scaler.

    Raises ``SpecError`` for an unknown name or parameter, with what is close to it, and for an estimator that
    is made of others and so cannot be built from plain parameters.
    """
    kind = _class_of(name, task)
    try:
        estimator: Any = kind()
    except TypeError as error:
        raise wrong("train.estimator", name, f"a {_word(task)} that needs no other estimator ({error})") from error
    set_parameters(estimator, name, parameters, seed)
    if estimator.__sklearn_tags__().input_tags.allow_nan:
        return estimator
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler

    # Clipped: outside of what was seen in training, a linear model must not go on along its line.
    steps = [
        ("impute", SimpleImputer(strategy="median")),
        ("scale", MinMaxScaler(clip=True)),
        (_STEPS[task], estimator),
    ]
    return Pipeline(steps)


def set_parameters(estimator: Any, name: str, parameters: Mapping[str, Any], seed: int) -> None:
    """Into an estimator with scikit-learn's interface. Raises ``SpecError`` for a parameter that it does not have."""
    known = estimator.get_params(deep=False)
    for parameter in parameters:
        if parameter not in known:
            raise wrong(f"train.search.{parameter}", parameter, f"a parameter of {name}{close(parameter, known)}")
    seeded = {"random_state": seed} if "random_state" in known else {}
    estimator.set_params(**{**seeded, **parameters})


def check_space(estimator: Any, name: str, space: Mapping[str, SearchTerm]) -> None:
    """Raises ``SpecError`` for a value of the space that scikit-learn itself says the parameter cannot take."""
    from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints

    constraints = getattr(_last(estimator), "_parameter_constraints", {})
    for parameter, term in space.items():
        for end in term.ends if parameter in constraints else ():
            try:
                validate_parameter_constraints(constraints, {parameter: end}, caller_name=name)
            except InvalidParameterError as error:
                expected = str(error).partition("must be ")[2].partition(" Got ")[0].rstrip(".")
                raise wrong(f"train.search.{parameter}", end, f"{expected or error} in {name}") from error


def check_weights(estimator: Any, name: str) -> None:
    """Raises ``SpecError`` if the estimator cannot count some rows less than others."""
    from sklearn.utils.validation import has_fit_parameter

    if not has_fit_parameter(_last(estimator), "sample_weight"):
        raise wrong("retrain.half_life", name, "an estimator that takes weights of rows, or no half_life")


def weight_arguments(estimator: Any, weights: Any) -> dict[str, Any]:
    """What ``fit`` is given beside rows and target so that row i counts ``weights[i]``."""
    if weights is None:
        return {}
    return {"sample_weight" if _last(estimator) is estimator else f"{estimator.steps[-1][0]}__sample_weight": weights}


def _last(estimator: Any) -> Any:
    return estimator.steps[-1][1] if hasattr(estimator, "named_steps") else estimator


def _class_of(name: str, task: Task) -> type:
    # The common cases without all_estimators, which imports the whole of scikit-learn.
    if name in _COMMON[task]:
        found: type = getattr(importlib.import_module(_COMMON[task][name]), name)
        return found
    known = regressors() if task is Task.REGRESSION else classifiers()
    try:
        return known[name]
    except KeyError:
        raise wrong("train.estimator", name, f"a {_word(task)} of scikit-learn{close(name, known)}") from None


def _word(task: Task) -> str:
    return "regressor" if task is Task.REGRESSION else "classifier with probabilities"


def close(word: str, known: Iterable[str]) -> str:
    """Names among the known that the word may have meant, as the end of a sentence; or nothing."""
    found = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def wrong(path: str, value: object, expected: str) -> SpecError:
    """What is wrong with a part of the spec."""
    return SpecError("spec", None, path, repr(value), expected)
