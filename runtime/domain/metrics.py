"""Measures of how well a version answers: which task each is of, and which way is better.

Everything that compares works with *errors*, of which less is better. A metric of which more is better ends at 1, and
its error is what it lacks of 1; so "better by 2%" asks for 2% less error, whatever is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from runtime.domain.schema import Task


class Metric(StrEnum):
    """``mae`` and ``rmse`` in target units, ``log_loss`` in nats, the others without a unit.

    Of more than two classes, ``brier`` sums the squares over the classes, ``roc_auc`` and ``f1`` are means over the
    classes (one against the rest). Of two, ``f1`` is that of the second, label 1.
    """

    MAE = "mae"
    RMSE = "rmse"
    LOG_LOSS = "log_loss"
    BRIER = "brier"
    ROC_AUC = "roc_auc"
    ACCURACY = "accuracy"
    F1 = "f1"

    @property
    def more_is_better(self) -> bool:
        """Whether a limit on it is a least value."""
        return self in {Metric.ROC_AUC, Metric.ACCURACY, Metric.F1}

    @property
    def error_name(self) -> str:
        """What its error is called: the metric itself, or what it lacks of 1."""
        return f"1 - {self.value}" if self.more_is_better else self.value

    def error_of(self, value: float) -> float:
        """The error of a value of this metric; of its own inverse too."""
        return 1.0 - value if self.more_is_better else value


METRICS = {
    Task.REGRESSION: (Metric.MAE, Metric.RMSE),
    Task.CLASSIFICATION: (Metric.LOG_LOSS, Metric.BRIER, Metric.ROC_AUC, Metric.ACCURACY, Metric.F1),
}
"""What a task is measured with."""


def shown(metric: str, value: float, sign: Literal["", "+"] = "") -> str:
    """With two decimals in target units, with four of what lies between 0 and 1 or in nats."""
    return f"{value:{sign}.{2 if metric in METRICS[Task.REGRESSION] else 4}f}"


def headline(metrics: Mapping[str, float]) -> Metric | None:
    """The one that stands for a report where there is room for one."""
    return next((metric for metric in (Metric.MAE, Metric.LOG_LOSS, Metric.ACCURACY) if metric.value in metrics), None)


def spelled(metric: str) -> str:
    """As a sentence has it: ``MAE``, ``1 - ROC AUC``, ``log loss``."""
    words = metric.replace("_", " ")
    for name in ("mae", "rmse", "roc auc"):
        words = words.replace(name, name.upper())
    return words
