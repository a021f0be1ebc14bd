"""From a model's score to the chance that goes with it, learnt from rows whose outcomes are known.

The chance in a bin is what was seen there, drawn towards the isotonic fit over all bins by ``PRIOR_ROWS`` rows' worth:

    chance_b = (ones_b + K isotonic_b) / (rows_b + K)            K = 20

A bin with many rows speaks for itself; one with few is told by its neighbours, in whose order chances must rise
(pool adjacent violators, Barlow et al. 1972). An empty bin lies between its neighbours.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from runtime.statistics.bins import FloatVector
from runtime.statistics.classification import ScoreCounts
from runtime.statistics.errors import NoEvidence
from runtime.statistics.histogram import BINS, MIDDLES

PRIOR_ROWS = 20.0
CURVE_POINTS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """``chances`` of the 256 bins; ``rows`` the fit saw in each, ``block`` the isotonic step each belongs to."""

    chances: FloatVector
    rows: FloatVector
    block: npt.NDArray[np.intp]
    steps: FloatVector
    """The chance of each step, never quite 0 or 1: what is known of it is as much as its rows can tell."""

    @classmethod
    def learned(cls, counts: ScoreCounts) -> "Calibration":
        """From out-of-fold rows. Raises NoEvidence without any.

        >>> told = Calibration.learned(ScoreCounts.of([0.2] * 100 + [0.7] * 100, [0] * 90 + [1] * 10 + [1] * 100))
        >>> told.chances[[51, 179]].round(2).tolist()
        [0.1, 1.0]
        """
        rows = (counts.zeros + counts.ones).astype(np.float64)
        seen = np.flatnonzero(rows)
        if not seen.size:
            raise NoEvidence("a calibration")
        fit = isotonic_regression(counts.ones[seen] / rows[seen], weights=rows[seen])
        isotonic = np.interp(np.arange(BINS), seen, fit.x)
        ends = np.searchsorted(fit.blocks, np.arange(seen.size), side="right") - 1
        block = ends[np.clip(np.searchsorted(seen, np.arange(BINS), side="right") - 1, 0, None)]
        ones = np.bincount(ends, weights=counts.ones[seen])
        steps = (ones + 0.5) / (np.bincount(ends, weights=rows[seen]) + 1)
        return cls((counts.ones + PRIOR_ROWS * isotonic) / (rows + PRIOR_ROWS), rows, block, steps)

    def variance(self, weights: FloatVector) -> float:
        """Of ``weights @ chances``: how far it may be off because the fit saw so many rows and no more."""
        own = self.rows / (self.rows + PRIOR_ROWS)
        shared = np.bincount(self.block, weights=(1 - own) * weights, minlength=self.steps.size)
        in_step = np.bincount(self.block, weights=self.rows, minlength=self.steps.size)
        told = self.rows > 0
        # Each bin's share of ones enters by itself, and through the step it is pooled in.
        pull = own * weights + self.rows * (shared / in_step)[self.block]
        spread = (self.steps * (1 - self.steps))[self.block]
        return float((np.square(pull[told]) * spread[told] / self.rows[told]).sum())


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Rows of like scores: the mean score, and the share that ended in 1."""

    rows: int
    score: float
    share: float


def calibration_curve(counts: ScoreCounts, *, points: int = CURVE_POINTS) -> tuple[CurvePoint, ...]:
    """Scores in ``points`` parts of equal width, those with rows; scores are taken at the middle of their bin.

    >>> calibration_curve(ScoreCounts.of([0.1, 0.9, 0.9], [0, 1, 0]), points=2)[1].share
    0.5
    """
    part = np.minimum((MIDDLES * points).astype(np.intp), points - 1)
    rows = np.bincount(part, weights=counts.zeros + counts.ones, minlength=points)
    ones = np.bincount(part, weights=counts.ones, minlength=points)
    scores = np.bincount(part, weights=(counts.zeros + counts.ones) * MIDDLES, minlength=points)
    return tuple(
        CurvePoint(int(n), float(score / n), float(one / n))
        for n, score, one in zip(rows, scores, ones, strict=True)
        if n
    )


def calibration_error(counts: ScoreCounts, *, points: int = CURVE_POINTS) -> float:
    """ECE: the mean distance of score and share over the rows of the curve (Naeini et al., AAAI 2015).

    Raises NoEvidence without rows.
    """
    curve = calibration_curve(counts, points=points)
    if not curve:
        raise NoEvidence("a calibration error")
    return sum(point.rows * abs(point.score - point.share) for point in curve) / counts.rows
