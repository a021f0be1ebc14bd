"""The fleet's alarm budget: it holds in all, exposure shares it out, and what a spec says for itself wins."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from runtime.domain.alarms import MonitoringBudgetSet, TrafficMeasured
from runtime.domain.spec import RiskTier
from runtime.policy.budget import DETECTORS, MONTH, USUAL, Exposure, fleet_thresholds, own_threshold, thresholds
from tests.unit.domain.lives import MODEL, MONDAY, History, a_spec, champion, declared

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def a_fleet(size: int, seed: int = 2013) -> dict[str, Exposure]:
    chance = np.random.default_rng(seed)
    tiers = list(RiskTier)
    return {
        f"model-{at}": Exposure(
            tiers[chance.integers(3)], float(chance.lognormal(5, 3)), (timedelta(minutes=5), HOUR, DAY)[at % 3]
        )
        for at in range(size)
    }


def false_alarms(fleet: dict[str, Exposure], budget: float) -> float:
    """At most so many in 30 days, when every detector raises one in its A checks."""
    found = thresholds(fleet, budget)
    return sum(DETECTORS * (MONTH / each.every) / found[name] for name, each in fleet.items())


@pytest.mark.parametrize("budget", [0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_budget_holds_over_the_fleet_and_most_of_it_is_used(budget: float, size: int) -> None:
    spent = false_alarms(a_fleet(size), budget)
    assert budget / 2 <= spent <= budget  # thresholds are rounded up to a power of two


def test_more_exposure_finds_a_change_sooner() -> None:
    low = Exposure(RiskTier.LOW, 100, DAY)
    found = thresholds(
        {"low": low, "high": Exposure(RiskTier.HIGH, 100, DAY), "busy": Exposure(RiskTier.LOW, 800, DAY)}, 1.0
    )
    assert found["high"] < found["low"]
    assert found["busy"] * 8 == found["low"]


def test_a_model_nobody_asks_is_not_deaf() -> None:
    busy, idle = Exposure(RiskTier.LOW, 1e6, DAY), Exposure(RiskTier.LOW, 0.0, DAY)
    found = thresholds({"busy": busy, "idle": idle}, 1.0)
    assert found["idle"] <= 2048 * found["busy"]
    assert thresholds({"idle": idle}, 1.0) == {"idle": 64.0}


def test_a_small_change_of_traffic_moves_no_threshold() -> None:
    fleet = {"a": Exposure(RiskTier.LOW, 100, DAY), "b": Exposure(RiskTier.LOW, 90, DAY)}
    assert thresholds(fleet, 1.0) == thresholds(fleet | {"b": Exposure(RiskTier.LOW, 95, DAY)}, 1.0)


def test_without_a_budget_nothing_is_shared_out() -> None:
    assert fleet_thresholds(History.of(*champion()).state) == {}
    assert own_threshold(a_spec().monitor) == USUAL


def test_the_budget_of_the_ledger_is_shared_by_the_traffic_of_the_ledger() -> None:
    other = "flight-time-AA"
    history = History.of(*champion()).after(declared(other), MonitoringBudgetSet(false_alarms=1, reason="on call"))
    assert list(fleet_thresholds(history.state)) == [MODEL]  # the other has no champion yet
    alone = fleet_thresholds(history.state)[MODEL]
    history.after(TrafficMeasured(until=MONDAY, rows_a_day={MODEL: 10.0, other: 90.0}))
    assert fleet_thresholds(history.state)[MODEL] == alone
    assert history.state.traffic == {MODEL: 10.0, other: 90.0}


def test_what_a_spec_says_for_itself_wins() -> None:
    spec = a_spec(monitor={"false_alarm_every": 500})
    history = History.of(*champion(), spec=spec).after(MonitoringBudgetSet(false_alarms=1, reason="on call"))
    assert fleet_thresholds(history.state) == {}
    assert own_threshold(spec.monitor) == 500
