"""The well-known distances between two windows, from counts over the same bins. For display.

They raise no alarm by themselves: at fixed thresholds they flood on small windows and sleep on large ones
(the detector is the alarm). Every function takes a reference and a current count vector of the same shape,
whose last bin is "missing"; the ordered ones (KS, Wasserstein) leave that bin out. ``distances`` takes all features of
a window in one pass over flat vectors, and the functions of two vectors are that pass over one feature.

All raise NoEvidence if either side has no rows, and InvalidStatistic if the shapes differ.
"""

import importlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runtime.statistics.bins import FloatVector
from runtime.statistics.errors import InvalidStatistic, LayoutMismatch, NoEvidence
from runtime.statistics.profile import Counts, Profile


class ChiSquare(NamedTuple):
    """A two-sample chi-square test of homogeneity: over bins that hold any row, uncorrected."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


class FeatureDistances(NamedTuple):
    """One feature of a window against the baseline.

    ``ks`` and ``wasserstein`` (in the feature's unit) are None for categories, which have no order, and where
    either side has no present rows.
    """

    name: str
    psi: float
    js: float
    chi_square: ChiSquare
    ks: float | None
    wasserstein: float | None
    missing_rate: float
    reference_missing_rate: float


@dataclass(frozen=True)
class _Pairs:
    """Counts of two windows, flat, feature after feature; ``starts`` is where each feature begins."""

    reference: FloatVector
    current: FloatVector
    starts: npt.NDArray[np.intp]

    def sums(self, values: FloatVector) -> FloatVector:
        """One sum a feature."""
        found: FloatVector = np.add.reduceat(values, self.starts)
        return found

    @cached_property
    def sizes(self) -> npt.NDArray[np.intp]:
        return np.diff(self.starts, append=self.reference.size)

    def spread(self, values: FloatVector) -> FloatVector:
        """The value of its feature for each bin."""
        found: FloatVector = values[self.owner]
        return found

    @cached_property
    def owner(self) -> npt.NDArray[np.intp]:
        """The feature of each bin."""
        return np.repeat(np.arange(self.starts.size), self.sizes)

    @cached_property
    def shares(self) -> tuple[FloatVector, FloatVector]:
        return self._share(self.reference), self._share(self.current)

    @cached_property
    def ordered(self) -> FloatVector:
        """Distance of the cumulative shares of present rows at each bin's upper end; NaN where a side has none."""
        present = np.ones(self.reference.size)
        present[self.starts + self.sizes - 1] = 0
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = self._share(self.reference * present) - self._share(self.current * present)
        total = np.cumsum(np.nan_to_num(apart))
        before = np.concatenate(([0.0], total))[self.starts]
        found: FloatVector = np.where(np.isnan(apart), np.nan, total - self.spread(before))
        return found

    def psi(self) -> FloatVector:
        e, a = self._share(self.reference + 0.5), self._share(self.current + 0.5)
        return self.sums((a - e) * np.log(a / e))

    def js(self) -> FloatVector:
        p, q = self.shares
        middle = np.maximum((p + q) / 2, _TINY)
        terms = p * np.log2(np.maximum(p, _TINY) / middle) + q * np.log2(np.maximum(q, _TINY) / middle)
        return np.maximum(self.sums(terms) / 2, 0.0)

    def ks(self) -> FloatVector:
        found: FloatVector = np.maximum.reduceat(np.abs(self.ordered), self.starts)
        return found

    def wasserstein(self, widths: FloatVector) -> FloatVector:
        """``widths``: the way from each bin to the next, 0 from the last present one."""
        return self.sums(np.abs(self.ordered) * widths)

    def chi_square(self) -> tuple[FloatVector, npt.NDArray[np.int64], FloatVector]:
        """Statistics, degrees of freedom, p-values."""
        both = self.reference + self.current
        held = both > 0
        one, other = self.sums(self.reference), self.sums(self.current)
        share = self.spread(one / (one + other))
        expected = np.where(held, both, 1) * share, np.where(held, both, 1) * (1 - share)
        terms = (self.reference - expected[0]) ** 2 / expected[0] + (self.current - expected[1]) ** 2 / expected[1]
        freedom = np.add.reduceat(held.astype(np.int64), self.starts) - 1
        statistic = np.where(freedom > 0, self.sums(np.where(held, terms, 0.0)), 0.0)
        special = importlib.import_module("scipy.special")  # lazy: only people who look need it
        return statistic, freedom, np.where(freedom > 0, special.chdtrc(np.maximum(freedom, 1), statistic), 1.0)

    def _share(self, values: FloatVector) -> FloatVector:
        return values / self.spread(self.sums(values))


_TINY = np.finfo(np.float64).tiny


def psi(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Population stability index, sum (a - e) ln(a / e), in nats; half a row is added to every bin.

    It is the Jeffreys divergence KL(a|e) + KL(e|a). Lewis, "An Introduction to Credit Scoring", 1994.

    >>> round(psi([500, 500, 0], [300, 700, 0]), 2)
    0.17
    """
    return float(_pair(reference, current).psi()[0])


def js(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Jensen-Shannon divergence in bits, from 0 (alike) to 1 (disjoint). Lin, IEEE Trans. Inf. Theory 1991.

    This is the divergence; scipy's ``jensenshannon`` is its root.

    >>> js([10, 0], [0, 10]), js([10, 20], [1, 2])
    (1.0, 0.0)
    """
    return float(_pair(reference, current).js()[0])


def ks_on_bins(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Kolmogorov-Smirnov statistic at the bin edges, over present rows: a lower bound of that on the rows.

    >>> ks_on_bins([10, 10, 5], [0, 20, 0])
    0.5
    """
    return float(_present(reference, current).ks()[0])


def chi_square(reference: npt.ArrayLike, current: npt.ArrayLike) -> ChiSquare:
    """Pearson's test that both windows have the same shares; the p-value takes scipy."""
    statistic, freedom, p_value = _pair(reference, current).chi_square()
    return ChiSquare(float(statistic[0]), int(freedom[0]), float(p_value[0]))


def wasserstein_on_bins(
    reference: npt.ArrayLike, current: npt.ArrayLike, positions: npt.ArrayLike | None = None
) -> float:
    """First Wasserstein distance between present rows, each put at its bin's position.

    ``positions``, shape (bins - 1,), ascending: ``NumericBins.positions`` gives the feature's own unit.
    Without them bins stand evenly from 0 to 1, which for equal-mass bins is the unit of ranks.

    >>> wasserstein_on_bins([10, 0, 0, 0], [0, 0, 10, 0])
    1.0
    """
    pairs = _present(reference, current)
    bins = pairs.reference.size - 1
    at = np.linspace(0, 1, bins) if positions is None else np.asarray(positions, dtype=float)
    if at.shape != (bins,):
        raise InvalidStatistic("positions", f"shape {at.shape}, expected ({bins},)")
    return float(pairs.wasserstein(np.concatenate((np.diff(at), (0.0, 0.0))))[0])


def missing_rate(counts: npt.ArrayLike) -> float:
    """The share of rows in the last bin.

    >>> missing_rate([3, 0, 1])
    0.25
    """
    vector = np.asarray(counts, dtype=np.float64)
    total = float(vector.sum())
    if not total:
        raise NoEvidence("missing_rate")
    return float(vector[-1]) / total


def distances(profile: Profile, counts: Counts) -> tuple[FeatureDistances, ...]:
    """Every feature of a window against its baseline. Raises LayoutMismatch, NoEvidence."""
    if counts.layout != profile.layout:
        raise LayoutMismatch(profile.layout.digest, counts.layout.digest)
    if not counts.rows:
        raise NoEvidence("a distance")
    starts = np.array(profile.layout.offsets[:-1])
    pairs = _Pairs(profile.counts.values.astype(np.float64), counts.values.astype(np.float64), starts)
    missing = tuple(side[starts + pairs.sizes - 1].tolist() for side in pairs.shares)
    columns = (
        profile.layout.names,
        pairs.psi().tolist(),
        pairs.js().tolist(),
        map(ChiSquare, *(values.tolist() for values in pairs.chi_square())),
        (_of_numbers(value) for value in np.where(profile.numeric, pairs.ks(), np.nan).tolist()),
        (_of_numbers(value) for value in np.where(profile.numeric, pairs.wasserstein(profile.widths), np.nan).tolist()),
        missing[1],
        missing[0],
    )
    return tuple(FeatureDistances(*values) for values in zip(*columns, strict=True))


def _of_numbers(value: float) -> float | None:
    return None if math.isnan(value) else value


def _pair(reference: npt.ArrayLike, current: npt.ArrayLike) -> _Pairs:
    e, a = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if e.ndim != 1 or e.shape != a.shape:
        raise InvalidStatistic("counts", f"shapes {e.shape} and {a.shape} must be one and the same")
    if not (e.sum() and a.sum()):
        raise NoEvidence("a distance")
    return _Pairs(e, a, np.array([0]))


def _present(reference: npt.ArrayLike, current: npt.ArrayLike) -> _Pairs:
    """The same, where the bins but the last must hold rows."""
    pairs = _pair(reference, current)
    if not (pairs.reference[:-1].any() and pairs.current[:-1].any()):
        raise NoEvidence("a distance")
    return pairs
