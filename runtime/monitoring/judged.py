"""Answers and what came of them, as errors, losses and metrics: what the task makes of a pair of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runtime.domain.metrics import Metric
from runtime.domain.reports import WindowPerformance
from runtime.domain.schema import TWO, Task
from runtime.domain.spec import Spec
from runtime.statistics.bins import FloatVector
from runtime.statistics.classification import counted
from runtime.statistics.scoring import losses

Judged = tuple[float, float]
"""What was answered, and what came of it."""


def classes_of(spec: Spec) -> int | None:
    """How many classes the spec's models tell apart; none of a regression."""
    if spec.task is not Task.CLASSIFICATION:
        return None
    return TWO if spec.classes is None else len(spec.classes)


def watched_metric(spec: Spec) -> Metric:
    """What versions are compared by on live rows: the spec's own metric, if recorded answers tell it row by row.

    roc_auc and f1 are means of no rows, and of more than two classes a record holds the label alone.
    """
    classes = classes_of(spec)
    if classes is None:
        return spec.train.metric
    if classes > TWO:
        return Metric.ACCURACY
    return Metric.LOG_LOSS if spec.train.metric in {Metric.ROC_AUC, Metric.F1} else spec.train.metric


def errors_of(rows: Sequence[Judged], classes: int | None) -> FloatVector:
    """What is watched for concept drift: answer minus outcome; of more than two classes, 1 for a wrong label."""
    answers, outcomes = np.array(rows, dtype=np.float64).T
    if classes is not None and classes > TWO:
        return np.asarray(answers != outcomes, dtype=np.float64)
    return np.asarray(answers - outcomes)


def losses_of(metric: Metric, rows: Sequence[Judged], classes: int | None) -> FloatVector:
    """What two versions are compared by, row by row; ``metric`` as ``watched_metric`` gives it."""
    if classes is not None and classes > TWO:
        return errors_of(rows, classes)
    answers, outcomes = np.array(rows, dtype=np.float64).T
    return losses(metric, answers, outcomes)


def performance(rows: Sequence[Judged], classes: int | None) -> WindowPerformance:
    """Of at least one row."""
    errors = errors_of(rows, classes)
    answers, outcomes = zip(*rows, strict=True)
    metrics = {} if classes is None else counted(answers, outcomes, classes).metrics()
    return WindowPerformance(rows=errors.size, mae=float(np.abs(errors).mean()), bias=float(errors.mean()), **metrics)
