"""Every metric as a mean over rows, so that any two versions can be compared row by row.

``answers`` are [rows], of a number or of the probability of label 1, or [rows, classes] of probabilities; ``truth`` is
[rows], of a number or of the class's number. A row's *loss* is such that the mean of all is the metric's error:

    mae, rmse              |a - t|, (a - t)^2            of rmse the mean is the square
    log_loss, brier        -ln P(truth), sum of squares over the classes (of two classes: of label 1 alone)
    accuracy               1 where the label is wrong
    roc_auc, f1            means of no rows; their losses are pseudo-values: the error plus the row's influence on it

With pseudo-values the spread of the mean is, of roc_auc, DeLong's (Biometrics 1988, 44:837), and of f1 that of a ratio
of two sums; so the one block bootstrap of ``comparison`` serves all metrics. Where something cannot be told (roc_auc of
rows of one class, an answer that is not a number) losses are NaN, and so is the error.
"""

import math

import numpy as np
import numpy.typing as npt

from runtime.domain.metrics import Metric
from runtime.domain.reports import Comparison
from runtime.statistics.bins import FloatVector
from runtime.statistics.comparison import PairedComparison

Array = npt.NDArray[np.float64]


def value(metric: Metric, answers: Array, truth: Array) -> float:
    """The metric itself.

    >>> value(Metric.ROC_AUC, np.array([0.1, 0.4, 0.35, 0.8]), np.array([0.0, 0.0, 1.0, 1.0]))
    0.75
    """
    return metric.error_of(error(metric, answers, truth))


def error(metric: Metric, answers: Array, truth: Array) -> float:
    """The metric's error: less is better. NaN without rows."""
    if not len(truth):
        return math.nan
    mean = float(losses(metric, answers, truth).mean())
    return math.sqrt(mean) if metric is Metric.RMSE else mean


def losses(metric: Metric, answers: Array, truth: Array) -> FloatVector:
    """Shape [rows]; see above."""
    match metric:
        case Metric.MAE:
            return np.abs(answers - truth)
        case Metric.RMSE:
            return np.square(answers - truth)
        case Metric.BRIER:
            return (
                np.square(answers - truth) if answers.ndim == 1 else np.square(answers - _chosen(answers, truth)).sum(1)
            )
        case Metric.LOG_LOSS:
            return -np.log(np.clip(_given_to(truth, answers), np.finfo(np.float64).eps, 1.0))
        case Metric.ACCURACY:
            return np.where(_known(answers), labels(answers) != truth, np.nan)
        case Metric.F1:
            return _f1(answers, truth)
        case Metric.ROC_AUC:
            return _roc_auc(answers, truth)


def labels(answers: Array) -> FloatVector:
    """The class's number, [rows]: 1 from a probability of one half on, or the most probable, the first of equals."""
    found = answers >= 0.5 if answers.ndim == 1 else answers.argmax(axis=1)
    return found.astype(np.float64)


def compared(found: PairedComparison, metric: Metric) -> Comparison:
    """A comparison of losses, in the metric's own unit: of rmse the bounds lie around the champion's own."""

    def unit(amount: float) -> float | None:
        if not math.isfinite(amount):
            return None
        if metric is not Metric.RMSE:
            return amount
        return math.sqrt(max(found.mean_b + amount, 0.0)) - math.sqrt(found.mean_b)

    mine, theirs = found.mean_a, found.mean_b
    if metric is Metric.RMSE:
        mine, theirs = math.sqrt(mine), math.sqrt(theirs)
    return Comparison(
        metric=metric.error_name,
        rows=found.rows,
        champion=theirs,
        challenger=mine,
        difference=mine - theirs,
        low=unit(found.low),
        high=unit(found.high),
        confidence=found.confidence,
    )


def _known(answers: Array) -> npt.NDArray[np.bool_]:
    finite = np.isfinite(answers)
    return np.asarray(finite if answers.ndim == 1 else finite.all(axis=1))


def _chosen(answers: Array, truth: Array) -> Array:
    """1 at the truth, else 0; shape of the answers."""
    return np.asarray(truth[:, None] == np.arange(answers.shape[1]), dtype=np.float64)


def _given_to(truth: Array, answers: Array) -> FloatVector:
    """The probability that the truth was given."""
    if answers.ndim == 1:
        return np.where(truth == 1, answers, 1 - answers)
    return np.take_along_axis(answers, truth.astype(np.intp)[:, None], axis=1)[:, 0]


def _f1(answers: Array, truth: Array) -> FloatVector:
    if not _known(answers).all():
        return np.full(len(truth), np.nan)
    said = labels(answers)
    asked = (
        [1]
        if answers.ndim == 1
        else [each for each in range(answers.shape[1]) if (truth == each).any() or (said == each).any()]
    )
    pseudo = np.zeros(len(truth))
    for each in asked:
        right, all_of = 2.0 * ((said == each) & (truth == each)), 1.0 * (said == each) + (truth == each)
        mean = float(all_of.mean())
        share = float(right.mean()) / mean if mean else 0.0  # as scikit-learn: 0 where nothing was there to find
        pseudo += share + ((right - share * all_of) / mean if mean else 0.0)
    result: FloatVector = 1.0 - pseudo / len(asked)
    return result


def _roc_auc(answers: Array, truth: Array) -> FloatVector:
    if not _known(answers).all():
        return np.full(len(truth), np.nan)
    if answers.ndim == 1:
        return 1.0 - _area(answers, truth == 1)
    each = np.array([_area(answers[:, at], truth == at) for at in range(answers.shape[1])])
    result: FloatVector = 1.0 - each.mean(axis=0)
    return result


def _area(scores: FloatVector, is_one: npt.NDArray[np.bool_]) -> FloatVector:
    """Pseudo-values of the area under the curve; NaN where one class is all there is."""
    ones, zeros = np.sort(scores[is_one]), np.sort(scores[~is_one])
    if not len(ones) or not len(zeros):
        return np.full(len(scores), np.nan)
    # The share of the other class that is on the right side of a row; of equals, one half.
    below = np.searchsorted(zeros, scores, "left") + np.searchsorted(zeros, scores, "right")
    above = 2 * len(ones) - np.searchsorted(ones, scores, "left") - np.searchsorted(ones, scores, "right")
    side = np.where(is_one, below / (2 * len(zeros)), above / (2 * len(ones)))
    area = float(side[is_one].mean())
    own = np.where(is_one, len(ones), len(zeros)) / len(scores)
    pseudo: FloatVector = area + (side - area) / own
    return pseudo
