"""Which way a feature moved, in one word, from the counts of a window and its baseline.

missing, present   most of the distance (Jensen-Shannon) is that more, or fewer, values are missing
constant           nearly all of the window, of rows enough to tell, lies in one bin that held few of the baseline's
unseen             most of the distance is in the categories that the baseline does not name
up, down           a numeric feature's shares moved, for the most part, one way
shape              anything else
"""

from __future__ import annotations

import numpy as np

from runtime.domain.findings import ENOUGH_ROWS, Direction
from runtime.statistics.bins import CategoricalBins, CountVector, FloatVector
from runtime.statistics.distances import js
from runtime.statistics.profile import FeatureProfile

MOST = 0.5
"""The part of the distance that one thing must explain."""
CONSTANT = 0.98
OFTEN = 0.5
"""A bin that held so many of the baseline's rows was as good as constant before."""


def direction_of(profile: FeatureProfile, window: CountVector) -> Direction:
    """The direction of a window with rows."""
    before, now = np.asarray(profile.counts, dtype=np.float64), window.astype(np.float64)
    whole = js(before, now)
    if _alone(before, now, -1) >= MOST * whole:
        more = now[-1] * before.sum() > before[-1] * now.sum()
        return Direction.MISSING if more else Direction.PRESENT
    bin_ = int(np.argmax(now))
    if now.sum() >= ENOUGH_ROWS and now[bin_] >= CONSTANT * now.sum() and before[bin_] < OFTEN * before.sum():
        other = isinstance(profile.bins, CategoricalBins) and bin_ == now.size - 2
        return Direction.UNSEEN if other else Direction.CONSTANT
    if isinstance(profile.bins, CategoricalBins):
        grew = now[-2] * before.sum() > before[-2] * now.sum()
        return Direction.UNSEEN if grew and _alone(before, now, -2) >= MOST * whole else Direction.SHAPE
    return _way(before[:-1], now[:-1])


def _alone(before: FloatVector, now: FloatVector, bin_: int) -> float:
    """The distance that is left when all other bins are taken together."""
    pairs = [np.array([side[bin_], side.sum() - side[bin_]]) for side in (before, now)]
    return js(*pairs)


def _way(before: FloatVector, now: FloatVector) -> Direction:
    """Up where the cumulative shares of the window lie below the baseline's, for the most part."""
    if not before.any() or not now.any():
        return Direction.SHAPE
    apart = np.cumsum(before / before.sum()) - np.cumsum(now / now.sum())
    area, signed = float(np.abs(apart).sum()), float(apart.sum())
    if abs(signed) <= MOST * area or not area:
        return Direction.SHAPE
    return Direction.UP if signed > 0 else Direction.DOWN
