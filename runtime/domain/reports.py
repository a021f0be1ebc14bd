"""Measured facts about a version: gates, evaluations, comparisons, statistics of a finding."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.findings import Direction
from runtime.domain.metrics import METRICS, Metric
from runtime.domain.schema import Task


class GateResult(Document):
    """One gate's answer with its number and limit; ``passed`` alone is never the whole answer."""

    gate: str
    passed: bool
    value: float | None = None
    limit: float | None = None
    reason: str


class Comparison(Document):
    """Paired comparison on the same rows: ``difference`` = challenger error minus champion error.

    All are errors of ``metric``, in its unit, and less is better: of roc_auc ``1 - roc_auc``.

    ``low`` and ``high`` bound the difference at ``confidence``; both are absent when too few rows bound nothing.
    """

    metric: str
    rows: int
    champion: float
    challenger: float
    difference: float
    low: float | None = None
    high: float | None = None
    confidence: float


class EvaluationReport(Document):
    """Metrics of one version on one dataset, and what each gate said of them."""

    metrics: dict[str, float]
    rows: int
    first_time: Moment | None = None
    last_time: Moment | None = None
    comparison: Comparison | None = None
    gates: tuple[GateResult, ...] = ()

    @property
    def passed(self) -> bool:
        """Empty evidence refuses: at least one gate, and every gate passed."""
        return bool(self.gates) and all(gate.passed for gate in self.gates)

    @property
    def failures(self) -> tuple[GateResult, ...]:
        """The gates that refused."""
        return tuple(gate for gate in self.gates if not gate.passed)


class FeatureStatistic(Document):
    """How far one feature moved. ``log_score`` is ln(weight x evidence); distances come from the same counts."""

    feature: str
    log_score: float
    js: float
    psi: float
    missing_rate: float = Field(ge=0, le=1)
    direction: Direction | None = None
    importance: float | None = None


class WindowPerformance(Document):
    """Errors over the rows of a window whose outcomes are known. ``mae`` and ``bias`` in target units.

    Of a classification an error is the probability minus the outcome, or of more than two classes 1 for a wrong label;
    the metrics beside are what its counts tell (``statistics/classification.py``).
    """

    rows: int
    mae: float
    bias: float
    log_loss: float | None = None
    brier: float | None = None
    roc_auc: float | None = None
    accuracy: float | None = None
    f1: float | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """Those that are known, by name."""
        found = {"mae": self.mae} | {
            metric.value: getattr(self, metric.value) for metric in METRICS[Task.CLASSIFICATION]
        }
        return {name: value for name, value in found.items() if value is not None}

    def error(self, metric: Metric) -> float | None:
        """The error of the metric, if it is known here."""
        value = self.metrics.get(metric.value)
        return None if value is None else metric.error_of(value)


ASSUMPTION = "that P(y | x) has not moved: rows that get such an answer end as they did when the version was trained"


class Expected(Document):
    """A metric before its outcomes, and where it will be found at the estimate's confidence."""

    metric: Metric
    value: float
    low: float
    high: float


class EstimatedPerformance(Document):
    """Metrics expected of a window whose outcomes are awaited (``statistics/estimated.py``): by CBPE or DLE."""

    rows: int
    method: Literal["cbpe", "dle"]
    confidence: float
    metrics: tuple[Expected, ...]

    @property
    def assumes(self) -> str:
        """In words; what outcomes then show may differ, and that is concept drift."""
        return ASSUMPTION


class SliceGap(Document):
    """The value of a column that is answered worst, and the one answered best, of those with enough outcomes.

    Errors are of ``metric``: target units, or the share of wrong labels. The differences are fairlearn's, of two
    classes only (``statistics/fairness.py``).
    """

    slice: str
    metric: Metric
    values: int
    rows: int
    worst: str
    worst_error: float
    best: str
    best_error: float
    demographic_parity_difference: float | None = None
    equalized_odds_difference: float | None = None
