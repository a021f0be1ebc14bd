"""How well a version answers while its outcomes are still awaited, from counts of its answers alone.

    two classes      256 bins of the probability     CBPE: calibrated chances say how many rows will be right (cbpe.py)
    more than two    rows by label                   CBPE: what came of each label, out of fold
    a number         bins of the answer              DLE: the error that goes with answers of this size (dle.py)

A window is a vector of counts, so windows merge by addition. **All of it assumes that P(y | x) has not moved**: that
rows which get this answer end as such rows ended when the version was trained. It sees what a shift of the inputs does
to the performance, and is blind to a changed world (concept drift), which only outcomes show.

The band holds two kinds of chance: how the window's own outcomes will fall, and how few rows the baseline had.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar, Literal, Protocol

import numpy.typing as npt

from runtime.domain.metrics import METRICS, Metric
from runtime.domain.schema import Task
from runtime.statistics.bins import CountVector
from runtime.statistics.errors import InvalidStatistic

CONFIDENCE = 0.95
Method = Literal["cbpe", "dle"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that is expected, and where it will be found at the confidence asked for."""

    value: float
    low: float
    high: float


class Estimator(Protocol):
    """Counts answers, and says of counts which metrics to expect, at ``confidence``; nothing of no rows."""

    method: ClassVar[Method]

    @property
    def size(self) -> int: ...

    def count(self, answers: npt.ArrayLike) -> CountVector: ...
    def expected(self, counts: CountVector, confidence: float = CONFIDENCE) -> dict[str, Estimate]: ...


def banded(metric: Metric, value: float, variance: float, confidence: float) -> Estimate:
    """Bounds of a metric do not leave its own range: 0 and up, and at most 1 of a share."""
    if not 0 < confidence < 1:
        raise InvalidStatistic("confidence", f"must lie between 0 and 1, not {confidence:g}")
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(max(variance, 0.0))
    most = 1.0 if metric in METRICS[Task.CLASSIFICATION] and metric is not Metric.LOG_LOSS else math.inf
    return Estimate(value, max(value - reach, 0.0), min(value + reach, most))
