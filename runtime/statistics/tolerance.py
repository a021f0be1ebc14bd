"""delta0 from the baseline's own time: how far healthy traffic strays from its baseline.

Two kinds of straying cost a detector differently, and ticks in the order of time tell them apart:

    from tick to tick   batches: each has a shift of its own, of spread s around 0. They add up like a random walk,
                        and more slowly than evidence, so that more than their spread must be ignored:
                        s sqrt(L m s^2 / (2 (1 + m s^2)))      m rows a tick, L nats to an alarm
    slowly              hours of the day, days of the week: a wave of root mean square w peaks at sqrt(2) w

delta0 is the sum. The first term makes the exponent r of the rate of false alarms, exp(-r L), at least 1: with
overdispersed ticks r = (1 + 2 delta0 / chi) / (1 + m s^2), least for the alternative chi that alarms on one tick's
drift, m (chi^2 / 2 + delta0 chi) = L.
"""

import math
from collections.abc import Sequence

import numpy as np

from runtime.statistics.alternatives import Matrix
from runtime.statistics.bins import FloatVector
from runtime.statistics.errors import LayoutMismatch, NoEvidence
from runtime.statistics.plan import CHECKS_BETWEEN_FALSE_ALARMS, smooth
from runtime.statistics.profile import Counts, Profile

_OVERLAP = math.sqrt(1.5)
"""Differences from the tick before share ticks: their mean errs by so much more than that of independent ones."""
ALTERNATIVES_A_FEATURE = 20
"""So many share a feature's weight, or so: what an alarm asks of one of them."""


def estimate_delta0(
    profile: Profile, ticks: Sequence[Counts], *, checks_between_false_alarms: float = CHECKS_BETWEEN_FALSE_ALARMS
) -> dict[str, float]:
    """delta0 by feature, from held-out ticks of the baseline's own time, in order and of the size that live ones have.

    Give it ticks that span whole waves: a day, or better a week. Independent rows give 0.

    Raises LayoutMismatch, and NoEvidence with fewer than three ticks of two or more rows.
    """
    used = [tick for tick in ticks if tick.rows > 1]
    if len(used) < 3:
        raise NoEvidence("the spread between baseline ticks")
    for tick in used:
        if tick.layout != profile.layout:
            raise LayoutMismatch(profile.layout.digest, tick.layout.digest)
    rows = np.array([[float(tick.rows)] for tick in used])
    shares = np.stack([tick.values for tick in used]) / rows
    noise = shares * (1 - shares) / (rows - 1)
    whole = _sure(_excess(profile, shares, noise))
    batches = np.minimum(_sure(_between(profile, shares, noise), _OVERLAP), whole)
    needed = math.log(checks_between_false_alarms * len(profile.features) * ALTERNATIVES_A_FEATURE)
    strength = float(rows.mean()) * batches
    delta0 = np.sqrt(2 * (whole - batches)) + np.sqrt(batches * needed * strength / (2 * (1 + strength)))
    return dict(zip(profile.layout.names, delta0.tolist(), strict=True))


def _excess(profile: Profile, shares: Matrix, noise: Matrix) -> Matrix:
    """Chi-square distance of each tick's true shares from the baseline's, without bias, (ticks, features)."""
    reference = profile.counts.values / profile.rows
    own = reference * (1 - reference) / profile.rows
    return _by_feature(profile, (shares - _smoothed(profile)) ** 2 - noise - own)


def _between(profile: Profile, shares: Matrix, noise: Matrix) -> Matrix:
    """The same of one tick from the one before, halved: the variance that is new in each."""
    return _by_feature(profile, (np.diff(shares, axis=0) ** 2 - noise[1:] - noise[:-1]) / 2)


def _by_feature(profile: Profile, squares: Matrix) -> Matrix:
    found: Matrix = np.add.reduceat(squares / _smoothed(profile), profile.layout.offsets[:-1], axis=1)
    return found


def _sure(excess: Matrix, overlap: float = 1.0) -> FloatVector:
    """The mean over ticks less one standard error, so that independent rows give 0 and not noise."""
    error = overlap * excess.std(axis=0, ddof=1) / math.sqrt(excess.shape[0])
    sure: FloatVector = np.maximum(excess.mean(axis=0) - error, 0.0)
    return sure


def _smoothed(profile: Profile) -> FloatVector:
    return np.concatenate([smooth(feature.counts) for feature in profile.features])
