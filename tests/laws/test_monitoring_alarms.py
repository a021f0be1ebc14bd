"""Rates of alarms, simulated with seeds: none in years of unchanged traffic, and every real change within days."""

from pathlib import Path

import pytest

from runtime.domain import events as e
from tests.unit.monitoring.world import Traffic, World, day

SEEDS = range(2, 12)
CHANGED = 20


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hundred_unchanged_days_raise_no_alarm(tmp_path: Path, seed: int) -> None:
    assert World(tmp_path).live([Traffic(number, seed=seed) for number in range(100)]) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_shift_of_errors_by_most_of_a_standard_deviation_is_found_within_days(tmp_path: Path, seed: int) -> None:
    days = [Traffic(number, seed=seed, bias=8.0 * (number >= CHANGED)) for number in range(CHANGED + 8)]
    first = World(tmp_path).live(days)[0]
    assert first.about is e.FindingKind.PERFORMANCE
    assert day(CHANGED) < first.as_of <= day(CHANGED + 4)
    assert day(CHANGED - 5) <= first.since <= day(CHANGED + 1)
