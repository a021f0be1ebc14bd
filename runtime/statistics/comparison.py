"""Is one model better than another? Paired comparison of absolute errors on the same rows.

``difference`` is always mean |a| - mean |b|: with a the challenger and b the champion, **below zero means
that the challenger is better**. Rows are paired, so what both models find hard cancels out.

Two ways to an interval: a bootstrap of the rows at hand (``compare_paired``, by blocks when rows are ordered
in time), and Student's t from sums that merge by addition (``compare_moments``, for shadow traffic).

Sources: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3 (percentile interval);
Kuensch, Ann. Statist. 1989 (moving blocks); Politis and Romano 1992 (circular blocks).
"""

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.statistics.bins import Document, FloatVector
from runtime.statistics.errors import InvalidStatistic, UncountableColumn

RESAMPLES = 2000
CONFIDENCE = 0.95
_DRAWS_AT_ONCE = 2_000_000
"""Bounds the memory of a bootstrap (indices drawn at once, 8 bytes each)."""


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Mean absolute errors of a and b over ``rows`` paired rows, and an interval for their difference.

    ``low`` and ``high`` bound ``difference`` at ``confidence`` (two-sided); they are infinite when fewer than
    two rows bound nothing. Units of the target; the means and the difference are NaN without rows.
    """

    rows: int
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    confidence: float

    @property
    def relative(self) -> float:
        """``difference`` as a share of b's mean: -0.02 says that a errs 2% less. 0 if neither errs."""
        return self._share(self.difference)

    @property
    def relative_low(self) -> float:
        return self._share(self.low)

    @property
    def relative_high(self) -> float:
        """Below minus a margin: a is better by that margin, at this confidence."""
        return self._share(self.high)

    def _share(self, amount: float) -> float:
        if self.mean_b:
            return amount / self.mean_b
        return math.copysign(math.inf, amount) if amount else 0.0


@dataclass(frozen=True, slots=True)
class PairedMoments:
    """Sums over paired rows that merge by addition, for a comparison that never sees all rows at once.

    ``sum_a`` and ``sum_b`` of absolute errors, ``sum_difference_squared`` of (|a| - |b|)^2.
    """

    rows: int = 0
    sum_a: float = 0.0
    sum_b: float = 0.0
    sum_difference_squared: float = 0.0

    def __post_init__(self) -> None:
        sums = (self.sum_a, self.sum_b, self.sum_difference_squared)
        if self.rows < 0 or not all(0 <= total < math.inf for total in sums):
            raise InvalidStatistic("moments", "must be finite and not negative")

    @classmethod
    def from_errors(cls, errors_a: npt.ArrayLike, errors_b: npt.ArrayLike) -> "PairedMoments":
        """Rows where either error is NaN or infinite are left out. Raises UncountableColumn."""
        a, b = _absolute(errors_a, errors_b)
        return cls(a.size, float(a.sum()), float(b.sum()), float(np.square(a - b).sum()))

    def __add__(self, other: "PairedMoments") -> "PairedMoments":
        return PairedMoments(
            self.rows + other.rows,
            self.sum_a + other.sum_a,
            self.sum_b + other.sum_b,
            self.sum_difference_squared + other.sum_difference_squared,
        )

    def as_document(self) -> Document:
        return {
            "rows": self.rows,
            "sum_a": self.sum_a,
            "sum_b": self.sum_b,
            "sum_difference_squared": self.sum_difference_squared,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "PairedMoments":
        sums = (float(document[name]) for name in ("sum_a", "sum_b", "sum_difference_squared"))
        return cls(int(document["rows"]), *sums)


def compare_paired(
    errors_a: npt.ArrayLike,
    errors_b: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    block_length: int = 1,
) -> PairedComparison:
    """Percentile bootstrap of mean |a| - mean |b|; the same generator state gives the same answer.

    ``block_length``, in rows, above 1 resamples runs of neighbours (wrapping round at the end), which keeps
    the dependence of rows ordered in time; n^(1/3) is a usual choice. Rows where either error is NaN or infinite
    are left out. Raises UncountableColumn if the two are not 1-D and equally long, InvalidStatistic.
    """
    a, b = _absolute(errors_a, errors_b)
    return compare_losses(a, b, rng, confidence=confidence, resamples=resamples, block_length=block_length)


def compare_losses(
    losses_a: npt.ArrayLike,
    losses_b: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    block_length: int = 1,
) -> PairedComparison:
    """As ``compare_paired``, of mean a - mean b: what is compared is a loss already, of whatever sign."""
    _check(confidence, resamples, block_length)
    a, b = _paired(losses_a, losses_b)
    if a.size < 2:
        return _comparison(a.size, float(a.sum()), float(b.sum()), -math.inf, math.inf, confidence)
    means = _resampled_means(a - b, rng, resamples, min(block_length, a.size))
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail]).tolist()
    return _comparison(a.size, float(a.sum()), float(b.sum()), low, high, confidence)


def compare_moments(moments: PairedMoments, *, confidence: float = CONFIDENCE) -> PairedComparison:
    """Student's t interval for the mean difference, from sums alone. Rows are taken as independent.

    >>> compare_moments(PairedMoments.from_errors([1.0, 1.2, 0.8], [2.0, 2.1, 1.9])).high < 0
    True
    """
    _check(confidence)
    n, sum_a, sum_b = moments.rows, moments.sum_a, moments.sum_b
    if n < 2:
        return _comparison(n, sum_a, sum_b, -math.inf, math.inf, confidence)
    mean = (sum_a - sum_b) / n
    variance = max(moments.sum_difference_squared - n * mean * mean, 0.0) / (n - 1)
    special = importlib.import_module("scipy.special")
    half = float(special.stdtrit(n - 1, (1 + confidence) / 2)) * math.sqrt(variance / n)
    return _comparison(n, sum_a, sum_b, mean - half, mean + half, confidence)


def _comparison(rows: int, sum_a: float, sum_b: float, low: float, high: float, confidence: float) -> PairedComparison:
    mean_a, mean_b = (sum_a / rows, sum_b / rows) if rows else (math.nan, math.nan)
    return PairedComparison(rows, mean_a, mean_b, mean_a - mean_b, low, high, confidence)


def _resampled_means(
    differences: FloatVector, rng: np.random.Generator, resamples: int, block_length: int
) -> FloatVector:
    """Means of ``resamples`` resamples, each made of blocks drawn with replacement and cut to n rows."""
    n = differences.size
    sums = _circular_sums(differences, block_length)
    whole, rest = divmod(n, block_length)
    last = _circular_sums(differences, rest)
    at_once = max(_DRAWS_AT_ONCE // (whole + 1), 1)
    means = []
    for first in range(0, resamples, at_once):
        count = min(at_once, resamples - first)
        totals = sums[rng.integers(n, size=(count, whole))].sum(axis=1)
        if rest:
            totals = totals + last[rng.integers(n, size=count)]
        means.append(totals / n)
    return np.concatenate(means)


def _circular_sums(values: FloatVector, length: int) -> FloatVector:
    """The sum of ``length`` values from each position on, wrapping round at the end."""
    if length <= 1:
        return values
    running = np.concatenate(([0.0], np.cumsum(np.concatenate((values, values[: length - 1])))))
    sums: FloatVector = running[length:] - running[:-length]
    return sums


def _absolute(errors_a: npt.ArrayLike, errors_b: npt.ArrayLike) -> tuple[FloatVector, FloatVector]:
    """Absolute errors of the rows where both are finite."""
    a, b = _paired(errors_a, errors_b)
    return np.abs(a), np.abs(b)


def _paired(errors_a: npt.ArrayLike, errors_b: npt.ArrayLike) -> tuple[FloatVector, FloatVector]:
    """The rows where both are finite."""
    a = np.asarray(errors_a, dtype=np.float64)
    b = np.asarray(errors_b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise UncountableColumn("error", f"shapes {a.shape} and {b.shape} do not pair row by row")
    both = np.isfinite(a) & np.isfinite(b)
    return a[both], b[both]


def _check(confidence: float, resamples: int = 1, block_length: int = 1) -> None:
    if not 0 < confidence < 1:
        raise InvalidStatistic("confidence", "must lie between 0 and 1")
    if resamples < 1:
        raise InvalidStatistic("resamples", "must be at least 1")
    if block_length < 1:
        raise InvalidStatistic("block_length", "must be at least 1 row")
