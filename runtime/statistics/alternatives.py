"""What a detector plays against a baseline: alternatives, their weights, and what is taken off each.

    numeric       shape      .60   N(theta, s^2) for the standard normal, over rows that are present
                  missing    .25   Bernoulli: p times a ratio
                  learned    .15   two shapes learned from the rows so far
    categorical   each bin   .85   Bernoulli: p times a ratio, each bin against the rest
                  learned    .15

Within a group subtle changes weigh more: evidence of a large one overtakes any weight within a check, while one nat
is half a check of evidence for a missing rate that went from 2% to 3%.

**The discount.** The baseline is a sample of n rows, so its shares are off by d / sqrt(n) in the direction of an
alternative, d standard normal, and a plain likelihood ratio would take that for a change. Two ways to allow for it:

    z standard errors        ln B = z chi / sqrt(n)         valid for every baseline off by less than z
    what the alarm asks      ln B = L / n                   L = ln(A / weight): what it takes to alarm alone

The second is the smaller one unless chi is small. It follows from the rate of false alarms of a Shiryaev-Roberts
sum, which for normal increments is exp(-r L) with r = 1 - 2 (d - z) / (sqrt(n) chi) where the baseline is off by d
more than z. Its mean over baselines is at most twice the nominal exp(-L) when z = L / (sqrt(n) chi), and then z chi /
sqrt(n) is L / n whatever chi: m = n rows cost L in all, as a second sample of their size should. ``benchmarks/
monitoring`` measures the rate. ``reference_sigmas`` asks for the first, plainly; it stands where rows of
a baseline are not independent of each other.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from runtime.statistics.bins import FloatVector

SHIFTS = {-0.8: 1, -0.4: 1, -0.2: 2, -0.1: 3, -0.05: 3, 0.05: 3, 0.1: 3, 0.2: 2, 0.4: 1, 0.8: 1}
SCALES = {0.7: 1, 0.85: 2, 1.18: 2, 1.4: 1}
MISSING_RATIOS = {0.5: 1, 0.75: 1, 1.2: 2, 1.5: 3, 2.0: 2, 4.0: 1}
CATEGORY_RATIOS = {0.5: 1, 0.7: 1, 0.85: 2, 1.2: 3, 1.5: 2, 2.0: 1}
"""Alternatives with their weights, on any scale."""
DECAYS = (0.8, 0.97)
LEARNED_SHARE = 0.15
MISSING_SHARE = 0.25
LEARNED_FLOOR = 0.1
LEARNED_PRIOR_ROWS = 50.0
REFERENCE_SIGMAS = 5.0
"""z, at most: how many standard errors of the baseline's shares are allowed for."""
_SMALLEST_RATIO = 1e-9

Matrix = npt.NDArray[np.float64]


def even(weights: Iterable[int]) -> FloatVector:
    """Weights on one scale: they add up to 1."""
    plain = np.array(list(weights), dtype=np.float64)
    shares: FloatVector = plain / plain.sum()
    return shares


def normal_shapes(p: FloatVector) -> Matrix:
    """Shares q of each alternative, (alternatives, bins): p read as a normal shape, then shifted or scaled."""
    cuts = [NormalDist().inv_cdf(min(total, 1 - 1e-15)) for total in np.cumsum(p)[:-1].tolist()]
    normals = [NormalDist(shift, 1.0) for shift in SHIFTS] + [NormalDist(0.0, scale) for scale in SCALES]
    below = np.array([[0.0, *(normal.cdf(cut) for cut in cuts), 1.0] for normal in normals])
    q = np.maximum(np.diff(below), _SMALLEST_RATIO * p)
    shares: Matrix = q / q.sum(axis=1, keepdims=True)
    return shares


def ratio_shares(p: FloatVector, ratios: Sequence[float]) -> Matrix:
    """Shares q of a bin that holds p, (bins, ratios); a large share cannot double."""
    shares: Matrix = np.minimum(np.outer(p, ratios), ((1 + p) / 2)[:, None])
    return shares


def log_discounts(
    chi: FloatVector, needed: FloatVector, reference_rows: int, sigmas: float | None, tolerance: float
) -> FloatVector:
    """The logarithm of B for each alternative at distance ``chi``, which alarms alone at ``needed`` = L nats.

    ``sigmas``: z plainly, or None for the smaller of both ways.
    """
    root = math.sqrt(reference_rows)
    plain = (REFERENCE_SIGMAS if sigmas is None else sigmas) * chi / root
    allowed = plain if sigmas is not None else np.minimum(plain, needed / reference_rows)
    discounts: FloatVector = np.log1p(allowed + tolerance * chi)
    return discounts
