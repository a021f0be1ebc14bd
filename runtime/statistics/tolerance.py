"""delta0 from the baseline's own time: how far healthy traffic strays from its baseline."""

import math
from collections.abc import Sequence

import numpy as np

from runtime.statistics.bins import FloatVector
from runtime.statistics.errors import LayoutMismatch, NoEvidence
from runtime.statistics.plan import smooth
from runtime.statistics.profile import Counts, Profile


def estimate_delta0(profile: Profile, ticks: Sequence[Counts]) -> dict[str, float]:
    """How far held-out baseline ticks stray from the baseline beyond sampling error, by feature.

    What a tick's chi-square distance from p holds beyond the sampling variance of the tick and of the baseline
    is drift that a healthy day has too. Its mean over the ticks, less one standard error (so that independent
    rows give 0 and not noise), as a root; times sqrt(2), since a daily wave peaks at that many times its root
    mean square. Give it ticks that span whole waves: a day, or better a week.

    Raises LayoutMismatch, and NoEvidence with fewer than two ticks of two or more rows.
    """
    used = [tick for tick in ticks if tick.rows > 1]
    if len(used) < 2:
        raise NoEvidence("the spread between baseline ticks")
    for tick in used:
        if tick.layout != profile.layout:
            raise LayoutMismatch(profile.layout.digest, tick.layout.digest)
    excess = np.array([_excess(profile, tick) for tick in used])
    sure = excess.mean(axis=0) - excess.std(axis=0, ddof=1) / math.sqrt(len(used))
    return dict(zip(profile.layout.names, np.sqrt(2 * np.maximum(sure, 0)).tolist(), strict=True))


def _excess(profile: Profile, tick: Counts) -> FloatVector:
    """Chi-square distance of a tick's true shares from the baseline's, without bias, by feature."""
    p, reference = (
        np.concatenate([smooth(feature.counts) for feature in profile.features]),
        profile.counts.values / profile.rows,
    )
    now = tick.values / tick.rows
    noise = now * (1 - now) / (tick.rows - 1) + reference * (1 - reference) / profile.rows
    excess: FloatVector = np.add.reduceat(((now - p) ** 2 - noise) / p, profile.layout.offsets[:-1])
    return excess
