"""The fleet's alarm budget: at most so many false alarms in 30 days in all, shared out by exposure.

A model's part is its exposure, the weight of its risk tier x its traffic, over the sum of all. Within its part b of the
budget a model with c checks in 30 days and two detectors (features and errors) raises a false alarm at most b times
when each detector may raise one in **A = 2 c / b** checks: a detector's mean time to a false alarm is at least A checks
whatever depends on what, and means add up. More exposure is a larger part, a smaller A, and a change found sooner.

A is rounded up to a power of two: the budget still holds, and a model's threshold does not move with each week's
traffic. Traffic is counted to a thousandth of the largest at least, so that a model nobody asks yet is not deaf when
they do. A spec that says ``false_alarm_every`` keeps it, outside the budget; where no budget was set it is 10,000
checks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from runtime.domain.spec import RiskTier
from runtime.domain.state import FleetState
from runtime.domain.watched import Monitoring

MONTH = timedelta(days=30)
DETECTORS = 2
"""Of features and of errors."""
USUAL = 10_000.0
"""Checks between false alarms where nobody said anything."""
TIER_WEIGHTS: Mapping[RiskTier, float] = {RiskTier.LOW: 1.0, RiskTier.MEDIUM: 3.0, RiskTier.HIGH: 10.0}
LEAST_TRAFFIC = 1e-3


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a wrong answer of a model costs and how many it gives; ``every`` is its time from check to check."""

    tier: RiskTier
    rows_a_day: float
    every: timedelta


def thresholds(exposures: Mapping[str, Exposure], false_alarms: float) -> dict[str, float]:
    """A of each model: checks between false alarms of one detector, for so many false alarms in 30 days in all.

    >>> day = timedelta(days=1)
    >>> thresholds({"a": Exposure(RiskTier.LOW, 50, day), "b": Exposure(RiskTier.LOW, 50, day)}, 1.0)
    {'a': 128.0, 'b': 128.0}
    """
    most = max((each.rows_a_day for each in exposures.values()), default=0.0)
    weights = {
        name: TIER_WEIGHTS[each.tier] * (max(each.rows_a_day / most, LEAST_TRAFFIC) if most else 1.0)
        for name, each in exposures.items()
    }
    total = math.fsum(weights.values())
    return {
        name: _rounded(DETECTORS * (MONTH / each.every) * total / (weights[name] * false_alarms))
        for name, each in exposures.items()
    }


def fleet_thresholds(state: FleetState) -> dict[str, float]:
    """A of every model that is watched and sets none of its own; empty where no budget was set."""
    if state.alarm_budget is None:
        return {}
    exposures = {
        model.name: Exposure(spec.risk_tier, state.traffic.get(model.name, 0.0), spec.monitor.every)
        for model in state.models.values()
        if model.champion is not None and not model.retired
        for spec in [state.spec_of(model)]
        if spec.monitor.false_alarm_every is None
    }
    return thresholds(exposures, state.alarm_budget)


def own_threshold(monitor: Monitoring) -> float:
    """Checks between false alarms of a detector where no budget says it."""
    every = monitor.false_alarm_every
    return USUAL if every is None else float(every)


def _rounded(checks: float) -> float:
    """The next power of two, at least 16 and at most 2^40."""
    return 2.0 ** min(max(math.ceil(math.log2(checks)), 4), 40)
