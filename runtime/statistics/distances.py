"""The well-known distances between two windows, from counts over the same bins. For display.

They raise no alarm by themselves: at fixed thresholds they flood on small windows and sleep on large ones
(the detector is the alarm). Every function takes a reference and a current count vector of the same shape,
whose last bin is "missing"; the ordered ones (KS, Wasserstein) leave that bin out.

All raise NoEvidence if either side has no rows, and InvalidStatistic if the shapes differ.
"""

import importlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runtime.statistics.bins import FloatVector, NumericBins
from runtime.statistics.errors import InvalidStatistic, LayoutMismatch, NoEvidence
from runtime.statistics.profile import Counts, FeatureProfile, Profile


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """A two-sample chi-square test of homogeneity: over bins that hold any row, uncorrected."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


@dataclass(frozen=True, slots=True)
class FeatureDistances:
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


def psi(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Population stability index, sum (a - e) ln(a / e), in nats; half a row is added to every bin.

    It is the Jeffreys divergence KL(a|e) + KL(e|a). Lewis, "An Introduction to Credit Scoring", 1994.

    >>> round(psi([500, 500, 0], [300, 700, 0]), 2)
    0.17
    """
    e, a = _pair(reference, current)
    e, a = (e + 0.5) / (e + 0.5).sum(), (a + 0.5) / (a + 0.5).sum()
    return float(np.sum((a - e) * np.log(a / e)))


def js(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Jensen-Shannon divergence in bits, from 0 (alike) to 1 (disjoint). Lin, IEEE Trans. Inf. Theory 1991.

    This is the divergence; scipy's ``jensenshannon`` is its root.

    >>> js([10, 0], [0, 10]), js([10, 20], [1, 2])
    (1.0, 0.0)
    """
    p, q = (side / side.sum() for side in _pair(reference, current))
    middle = (p + q) / 2
    return max((_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2, 0.0)


def ks_on_bins(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Kolmogorov-Smirnov statistic at the bin edges, over present rows: a lower bound of that on the rows.

    >>> ks_on_bins([10, 10, 5], [0, 20, 0])
    0.5
    """
    p, q = _present(reference, current)
    return float(np.max(np.abs(np.cumsum(p) - np.cumsum(q))))


def chi_square(reference: npt.ArrayLike, current: npt.ArrayLike) -> ChiSquare:
    """Pearson's test that both windows have the same shares; the p-value takes scipy."""
    table = np.stack(_pair(reference, current))
    table = table[:, table.sum(axis=0) > 0]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(np.sum((table - expected) ** 2 / expected))
    freedom = table.shape[1] - 1
    if not freedom:
        return ChiSquare(0.0, 0, 1.0)
    special = importlib.import_module("scipy.special")  # lazy: only people who look need it
    return ChiSquare(statistic, freedom, float(special.chdtrc(freedom, statistic)))


def wasserstein_on_bins(
    reference: npt.ArrayLike, current: npt.ArrayLike, positions: npt.ArrayLike | None = None
) -> float:
    """First Wasserstein distance between present rows, each put at its bin's position.

    ``positions``, shape (bins - 1,), ascending: ``NumericBins.positions`` gives the feature's own unit.
    Without them bins stand evenly from 0 to 1, which for equal-mass bins is the unit of ranks.

    >>> wasserstein_on_bins([10, 0, 0, 0], [0, 0, 10, 0])
    1.0
    """
    p, q = _present(reference, current)
    at = np.linspace(0, 1, p.size) if positions is None else np.asarray(positions, dtype=float)
    if at.shape != p.shape:
        raise InvalidStatistic("positions", f"shape {at.shape}, expected {p.shape}")
    return float(np.sum(np.abs(np.cumsum(p) - np.cumsum(q))[:-1] * np.diff(at)))


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
    vectors = counts.by_feature()
    return tuple(_feature(feature, vectors[feature.name]) for feature in profile.features)


def _feature(feature: FeatureProfile, current: npt.NDArray[np.int64]) -> FeatureDistances:
    reference = np.array(feature.counts)
    ks = wasserstein = None
    if isinstance(feature.bins, NumericBins) and reference[:-1].any() and current[:-1].any():
        ks = ks_on_bins(reference, current)
        wasserstein = wasserstein_on_bins(reference, current, feature.bins.positions)
    return FeatureDistances(
        name=feature.name,
        psi=psi(reference, current),
        js=js(reference, current),
        chi_square=chi_square(reference, current),
        ks=ks,
        wasserstein=wasserstein,
        missing_rate=missing_rate(current),
        reference_missing_rate=missing_rate(reference),
    )


def _pair(reference: npt.ArrayLike, current: npt.ArrayLike) -> tuple[FloatVector, FloatVector]:
    e, a = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if e.ndim != 1 or e.shape != a.shape:
        raise InvalidStatistic("counts", f"shapes {e.shape} and {a.shape} must be one and the same")
    if not (e.sum() and a.sum()):
        raise NoEvidence("a distance")
    return e, a


def _present(reference: npt.ArrayLike, current: npt.ArrayLike) -> tuple[FloatVector, FloatVector]:
    """Shares of the bins but the last."""
    e, a = _pair(np.asarray(reference)[:-1], np.asarray(current)[:-1])
    return e / e.sum(), a / a.sum()


def _relative_entropy(p: FloatVector, q: FloatVector) -> float:
    held = p > 0
    return float(np.sum(p[held] * np.log2(p[held] / q[held])))
