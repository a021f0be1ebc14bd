"""From the ``train`` part of a spec to a predictor: fitted on rows, or brought as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from runtime.domain.errors import DataError
from runtime.domain.schema import Schema, Task
from runtime.domain.training import Training
from runtime.flavors import imported, lightgbm, onnx, own, remote, rules, torch, xgboost
from runtime.flavors.base import Columns, Floats, Storable
from runtime.flavors.encoding import Encoding
from runtime.flavors.errors import FlavorMissing
from runtime.flavors.estimators import check_space, check_weights, make_estimator, weight_arguments, wrong
from runtime.flavors.sklearn import SklearnPredictor


def check(training: Training, task: Task, *, weighted: bool) -> None:
    """Raises ``SpecError`` for what no rows are needed to find: an unknown estimator, parameter, or use of weights."""
    if not training.is_fitted:
        if weighted:
            raise wrong("retrain.half_life", training.trainer, "a trainer that fits rows, or no half_life")
        return
    if training.own is not None:
        own.check(training.own.function)
        return
    first = {name: term.values[0] if term.values else term.ends[0] for name, term in training.search.items()}
    estimator = _estimator(training, task, first)
    if training.trainer == "sklearn":
        check_space(estimator, training.estimator, training.search)
    if weighted:
        check_weights(estimator, training.estimator)


def fit(
    training: Training,
    schema: Schema,
    columns: Columns,
    target: Floats,
    parameters: Mapping[str, Any],
    weights: Floats | None,
) -> Storable:
    """The predictor of these rows. Raises ``SpecError``, ``FlavorMissing``, ``ArtifactInvalid`` of what is brought."""
    try:
        if not training.is_fitted:
            return bring(training, schema)
        check_classes(schema, target)
        encoding = Encoding.learn(columns, schema)
        if training.own is not None:
            given = own.Given(schema.task, encoding, dict(parameters), training.seed, weights)
            return own.fit(training.own.function, encoding.matrix(columns), target, given, schema)
        estimator = _estimator(training, schema.task, parameters)
        estimator.fit(encoding.matrix(columns), target, **weight_arguments(estimator, weights))
    except ModuleNotFoundError as error:
        raise FlavorMissing(training.trainer, str(error.name)) from error
    if training.trainer == "xgboost":
        return xgboost.fitted(estimator, schema, encoding)
    if training.trainer == "lightgbm":
        return lightgbm.fitted(estimator, schema, encoding)
    return SklearnPredictor(estimator, schema, encoding)


def check_classes(schema: Schema, target: Floats) -> None:
    """Raises ``DataError`` if a class does not occur: nothing would be known of it, and some estimators fail."""
    if schema.task is not Task.CLASSIFICATION:
        return
    names = schema.classes or ("0", "1")
    for number in np.setdiff1d(np.arange(schema.class_count), target).tolist():
        reason = f"class {names[number]!r} does not occur in the {len(target)} rows of a fit; each class must"
        raise DataError("target", reason)


def bring(training: Training, schema: Schema) -> Storable:
    """The predictor that the spec says where to find. Raises ``SpecError``, ``ArtifactInvalid``."""
    if training.booster is not None:
        return imported.bring_booster(training.trainer, training.booster, schema)
    if training.mlflow is not None:
        return imported.bring_mlflow(training.mlflow, schema)
    if training.onnx is not None:
        return onnx.bring(training.onnx.file, training.onnx.digest, training.onnx.output, schema)
    if training.torch is not None:
        return torch.bring(training.torch.file, training.torch.digest, training.torch.module, schema)
    if training.rules is not None:
        return rules.bring(training.rules, schema)
    if training.remote is not None:
        return remote.RemotePredictor(training.remote, schema)
    raise wrong("train.trainer", training.trainer, "a trainer that brings a version")


def served(predictor: Storable, columns: Columns) -> Storable:
    """The form that is packaged and answers: of scikit-learn with a twin in ONNX, if it agrees on these rows."""
    return predictor.with_twin(columns) if isinstance(predictor, SklearnPredictor) else predictor


def _estimator(training: Training, task: Task, parameters: Mapping[str, Any]) -> Any:
    try:
        if training.trainer == "xgboost":
            return xgboost.make(training.estimator, parameters, training.seed, task)
        if training.trainer == "lightgbm":
            return lightgbm.make(training.estimator, parameters, training.seed, task)
    except ModuleNotFoundError as error:
        raise FlavorMissing(training.trainer, str(error.name)) from error
    return make_estimator(training.estimator, parameters, seed=training.seed, task=task)
