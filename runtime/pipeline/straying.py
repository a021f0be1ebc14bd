"""How far a version's own training time strays from its baseline, tick by tick, for a spec that asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np

from runtime.flavors import Column, Floats
from runtime.pipeline.rows import Rows
from runtime.statistics.errors import NoEvidence
from runtime.statistics.profile import Profile
from runtime.statistics.tolerance import estimate_delta0

_MICROSECOND = timedelta(microseconds=1)


def straying(
    profile: Profile, rows: Rows, columns: Mapping[str, Column | Floats], every: timedelta, false_alarm_every: float
) -> dict[str, float]:
    """delta0 by feature, from the baseline's rows parted as the monitor's ticks will be; all 0 with fewer than three.

    ``columns``: what the profile counts, a value for each of ``rows``.
    """
    order = np.argsort(rows.time, kind="stable")
    ticks = rows.time[order] // (every // _MICROSECOND)
    parts = np.split(order, np.flatnonzero(np.diff(ticks)) + 1)
    counts = [profile.count({name: column[part] for name, column in columns.items()}) for part in parts]
    try:
        return estimate_delta0(profile, counts, checks_between_false_alarms=false_alarm_every)
    except NoEvidence:
        return dict.fromkeys(profile.layout.names, 0.0)
