"""DLE: the error of a regression from the size of its answers and the errors that went with them out of fold.

By bins of the answer, and not by a second model of all inputs: on flights such a model told the mean absolute error of
3,000 rows at most 1% better (docs/monitoring/performance.md), and would have to answer in the monitor for every row.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from runtime.domain.metrics import Metric
from runtime.statistics.bins import CountVector, Document, FloatVector, NumericBins
from runtime.statistics.errors import InvalidStatistic, NoEvidence
from runtime.statistics.estimated import CONFIDENCE, Estimate, Method, banded


@dataclass(frozen=True, eq=False)
class LossEstimator:
    """DLE of a regression: the mean of absolute and squared errors in each bin of the answer, out of fold.

    ``sums`` [3, bins] of |e|, e^2 and e^4; ``rows`` [bins]. A bin without rows is told by all of them.
    """

    bins: NumericBins
    rows: CountVector
    sums: FloatVector

    method: ClassVar[Method] = "dle"

    def __post_init__(self) -> None:
        if self.rows.shape != (self.bins.size,) or self.sums.shape != (3, self.bins.size):
            raise InvalidStatistic("sums", f"must be of {self.bins.size} bins, not {list(self.sums.shape)}")
        if (self.rows < 0).any() or not np.isfinite(self.sums).all() or (self.sums < 0).any():
            raise InvalidStatistic("sums", "must be finite and not negative")
        if not self.rows.any():
            raise NoEvidence("a loss estimate")

    @classmethod
    def learned(cls, answers: npt.ArrayLike, errors: npt.ArrayLike, bins: NumericBins | None = None) -> "LossEstimator":
        """From out-of-fold answers and their errors, in ``bins`` of the answer (default: of equal mass).

        >>> known = LossEstimator.learned([1.0] * 20 + [9.0] * 20, [1.0, -1.0] * 10 + [4.0, -4.0] * 10)
        >>> known.expected(known.count([9.0, 9.0]))["mae"].value
        4.0
        """
        given, found = np.asarray(answers, dtype=np.float64), np.abs(np.asarray(errors, dtype=np.float64))
        known = np.isfinite(found)
        given, found = given[known], found[known]
        bins = NumericBins.from_sample(given) if bins is None else bins
        at = _places(bins, given)
        sums = [np.bincount(at, weights=found**power, minlength=bins.size) for power in (1, 2, 4)]
        return cls(bins, np.bincount(at, minlength=bins.size).astype(np.int64), np.array(sums))

    def __add__(self, other: "LossEstimator") -> "LossEstimator":
        if other.bins != self.bins:
            raise InvalidStatistic("bins", "of the two differ, so their sums do not add up")
        return LossEstimator(self.bins, self.rows + other.rows, self.sums + other.sums)

    @property
    def size(self) -> int:
        return self.bins.size

    def count(self, answers: npt.ArrayLike) -> CountVector:
        """Rows by bin of their answer."""
        return self.bins.count(np.asarray(answers, dtype=np.float64))

    @cached_property
    def _means(self) -> FloatVector:
        told = self.rows > 0
        overall = self.sums.sum(axis=1) / self.rows.sum()
        means: FloatVector = np.where(told, self.sums / np.where(told, self.rows, 1), overall[:, None])
        return means

    def expected(self, counts: CountVector, confidence: float = CONFIDENCE) -> dict[str, Estimate]:
        """As ``Estimator`` says; ``mae`` and ``rmse`` in target units."""
        total = int(counts.sum())
        if not total:
            return {}
        share = counts / total
        absolute, squared, fourth = self._means
        spread = np.maximum([squared - np.square(absolute), fourth - np.square(squared)], 0.0)
        known = np.where(self.rows > 0, self.rows, self.rows.sum())
        mae_variance, mse_variance = spread @ (share / total + np.square(share) / known)
        rmse = math.sqrt(float(squared @ share))
        return {
            "mae": banded(Metric.MAE, float(absolute @ share), float(mae_variance), confidence),
            "rmse": banded(Metric.RMSE, rmse, float(mse_variance) / (4 * rmse**2) if rmse else 0.0, confidence),
        }

    def as_document(self) -> Document:
        return {"edges": list(self.bins.edges), "rows": self.rows.tolist(), "sums": self.sums.tolist()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "LossEstimator":
        return cls(
            NumericBins(tuple(float(edge) for edge in document["edges"])),
            np.asarray(document["rows"], dtype=np.int64),
            np.asarray(document["sums"], dtype=np.float64),
        )


def _places(bins: NumericBins, values: FloatVector) -> npt.NDArray[np.intp]:
    """The bin of each value, as ``NumericBins.count`` counts it."""
    places = np.searchsorted(bins.cuts, values, side="left")
    places[np.isnan(values)] = bins.size - 1
    return places
