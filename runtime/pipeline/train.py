"""One model trained on one partition: pure, seeded, the same for the same data, spec and parameters.

    window    |--------- training ---------------------------|-- holdout --|      as the plan arranged it
    fold 1    |--train--|-test-|
    fold 2    |-----train------|-test-|
    fold 3    |---------train---------|-test-|      tests: out-of-fold predictions
    sibling   |------------------- fit ----------------------|   judge     |
    final     |------------------------------ fit -------------------------|      if retrain.refit, else the sibling

The holdout is never trained on before the gates have judged. With ``refit``, what is served is then fitted on all
rows with the sibling's parameters: the gates' metrics are the sibling's, and stand for the final model on the
usual ground that more and newer rows of the same kind do not make it worse. That is an assumption, not a
measurement; the shadow and canary steps of a rollout are what measure the final model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.domain.errors import DataError
from runtime.domain.schema import Schema, Task
from runtime.domain.spec import Spec
from runtime.flavors import Floats, Storable, dump, fitting
from runtime.flavors.outputs import scores
from runtime.pipeline.plan import Plan
from runtime.pipeline.rows import Rows
from runtime.pipeline.splits import check_duplicates
from runtime.statistics import scoring

Parameters = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Candidate:
    """Parameters with what their cross-validation said: predictions as of ``Holdout``, NaN before the first test.

    ``score`` is the metric's error: less is better, whatever the metric.
    """

    parameters: Parameters
    score: float
    out_of_fold: Floats


@dataclass(frozen=True, eq=False)
class Holdout:
    """The rows that judge, and what the sibling that never saw them predicted.

    Predictions are [rows]; of more than two classes they are all probabilities, [rows, classes]. ``naive`` is the
    training median, or of a classification the share of ones; of more classes, of each. ``sibling`` can be asked about
    the rows again, changed.
    """

    rows: Rows
    predictions: Floats
    naive: float | Floats
    sibling: Storable


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model ready to be judged and packaged. ``window`` holds training rows, then holdout rows."""

    model: str
    partition: dict[str, str]
    window: Rows
    candidate: Candidate
    holdout: Holdout
    predictor: Storable
    artifact: bytes
    estimator: str
    seed: int

    @property
    def parameters(self) -> dict[str, Any]:
        """The estimator's parameters, as found or inherited."""
        return dict(self.candidate.parameters)

    @property
    def train_rows(self) -> int:
        """Rows the artifact was fitted on, when it was refitted; the window's rows."""
        return len(self.window)

    @property
    def first_time(self) -> datetime:
        """Time of the window's first row."""
        return self.window.first_time

    @property
    def last_time(self) -> datetime:
        """Time of the window's last row."""
        return self.window.last_time

    @property
    def honest(self) -> tuple[Rows, Floats]:
        """Rows with predictions of a model that was not trained on them: out of fold, then holdout."""
        start = int(np.argmax(_is_told(self.candidate.out_of_fold)))
        predictions = np.concatenate((self.candidate.out_of_fold[start:], self.holdout.predictions))
        return self.window.part(start, len(self.window)), predictions


def folds_of(rows: int, folds: int) -> list[tuple[int, int]]:
    """Expanding windows in order of time: for each fold, where its training ends and where its test ends.

    >>> folds_of(10, 3)
    [(4, 6), (6, 8), (8, 10)]
    """
    size = rows // (folds + 1)
    return [(rows - (folds - k) * size, rows - (folds - k - 1) * size) for k in range(folds)]


def cross_validate(
    spec: Spec,
    schema: Schema,
    training: Rows,
    parameters: Parameters,
    plan: Plan,
    *,
    folds: int | None = None,
    known: Floats | None = None,
) -> Candidate:
    """Cross-validation in the plan's order; the score is the error of ``spec.train.metric`` over all out-of-fold rows.

    ``folds``: only the first so many. ``known``: out-of-fold predictions of fewer folds, which are not fitted again.
    Raises ``DataError`` if these rows do not tell it, as roc_auc of rows of one class.
    """
    shape = (len(training), schema.class_count) if schema.gives_class else len(training)
    predictions = np.full(shape, np.nan) if known is None else known.copy()
    for end, stop in plan.cut(training, folds_of(len(training), spec.train.folds))[:folds]:
        if known is None or not _is_told(known[end:stop]).any():
            predictor = fit(spec, schema, training.part(0, end), parameters, plan)
            predictions[end:stop] = scores(predictor, training.part(end, stop).columns)
    told = _is_told(predictions)
    score = scoring.error(spec.train.metric, predictions[told], training.target[told])
    if schema.task is Task.CLASSIFICATION and math.isnan(score):
        where = f"{int(told.sum())} rows of cross-validation"
        raise DataError(
            spec.data.target, f"{spec.train.metric.value} cannot be told of {where}: a class is missing there"
        )
    return Candidate(dict(parameters), score, predictions)


def _is_told(predictions: Floats) -> npt.NDArray[np.bool_]:
    """Rows that a fold predicted."""
    told: npt.NDArray[np.bool_] = ~np.isnan(predictions if predictions.ndim == 1 else predictions[:, 0])
    return told


def fit(spec: Spec, schema: Schema, rows: Rows, parameters: Parameters, plan: Plan) -> Storable:
    """The spec's estimator fitted on these rows, or what it brings. Raises as ``fitting.fit``."""
    return fitting.fit(spec.train, schema, rows.columns, rows.target, parameters, plan.weights(rows))


def train_model(
    spec: Spec,
    schema: Schema,
    model: str,
    partition: dict[str, str],
    window: Rows,
    candidate: Candidate | Parameters,
    plan: Plan,
) -> TrainedModel:
    """From rows to a model: cross-validated (unless a search did), judged by its sibling, fitted, serialised."""
    window, at = plan.arrange(model, window)
    training, held = window.part(0, at), window.part(at, len(window))
    check_duplicates(spec, model, training, held)
    if not isinstance(candidate, Candidate):
        candidate = cross_validate(spec, schema, training, candidate, plan)
    sibling = fit(spec, schema, training, candidate.parameters, plan)
    final = fit(spec, schema, window, candidate.parameters, plan) if spec.retrain.refit else sibling
    final = fitting.served(final, held.columns)
    return TrainedModel(
        model=model,
        partition=partition,
        window=window,
        candidate=candidate,
        holdout=Holdout(held, scores(sibling, held.columns), naive_of(schema, training.target), sibling),
        predictor=final,
        artifact=dump(final),
        estimator=spec.train.made_by,
        seed=spec.train.seed,
    )


def naive_of(schema: Schema, target: Floats) -> float | Floats:
    """What a predictor says that looks at no column: see ``Holdout``."""
    if schema.task is not Task.CLASSIFICATION:
        return float(np.median(target))
    if not schema.gives_class:
        return float(target.mean())
    shares: Floats = np.bincount(target.astype(np.intp), minlength=schema.class_count) / len(target)
    return shares
