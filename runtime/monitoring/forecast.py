"""What to expect of rows whose outcomes are still awaited: counts of answers, and an estimator of the baseline.

The window is that of a finding: the ticks since the evidence of drift began to grow, or else the last tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.domain.metrics import Metric
from runtime.domain.reports import EstimatedPerformance, Expected
from runtime.statistics.bins import CountVector
from runtime.statistics.errors import InvalidStatistic
from runtime.statistics.estimated import CONFIDENCE, Estimator


class Forecast:
    """Answers of one version; the open tick is not told of before it is closed."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        self.open_tick = self.window = _nothing(estimator.size)

    def count(self, answers: Sequence[float]) -> None:
        """Adds answers to the open tick."""
        self.open_tick = self.open_tick + self.estimator.count(answers)

    def close(self, *, growing: bool) -> None:
        """Ends the open tick; the window goes on while evidence is growing, and otherwise begins anew."""
        if self.open_tick.any():
            self.window = self.open_tick + self.window if growing else self.open_tick
        self.open_tick = _nothing(self.estimator.size)

    @property
    def performance(self) -> EstimatedPerformance | None:
        """Of the window; ``None`` before its first answer."""
        rows = int(self.window.sum())
        if not rows:
            return None
        found = self.estimator.expected(self.window)
        return EstimatedPerformance(
            rows=rows,
            method=self.estimator.method,
            confidence=CONFIDENCE,
            metrics=tuple(
                Expected(metric=Metric(name), value=each.value, low=each.low, high=each.high)
                for name, each in found.items()
            ),
        )

    def as_document(self) -> dict[str, Any]:
        """Counts alone: the estimator comes from the baseline."""
        return {"open_tick": self.open_tick.tolist(), "window": self.window.tolist()}

    def restore(self, document: dict[str, Any]) -> None:
        """Takes the counts back. Raises ``InvalidStatistic`` if they are of other bins."""
        self.open_tick, self.window = (self._counts(document[name]) for name in ("open_tick", "window"))

    def _counts(self, values: Sequence[int]) -> CountVector:
        counts = np.asarray(values, dtype=np.int64)
        if counts.shape != (self.estimator.size,):
            raise InvalidStatistic("answers", f"{len(values)} counts for {self.estimator.size} bins")
        return counts


def _nothing(size: int) -> CountVector:
    return np.zeros(size, dtype=np.int64)
