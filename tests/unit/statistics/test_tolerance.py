"""delta0 from held-out ticks: nothing of independent rows, more than its spread of batches, the height of a wave."""

import math

import numpy as np
import pytest

from runtime.statistics.errors import LayoutMismatch, NoEvidence
from runtime.statistics.profile import Counts, Profile
from runtime.statistics.tolerance import estimate_delta0

ROWS, TICKS = 500, 288


def baseline() -> Profile:
    return Profile.from_columns({"load": np.random.default_rng(1).normal(size=100_000)})


def ticks(profile: Profile, shifts: np.ndarray) -> list[Counts]:
    rng = np.random.default_rng(2)
    return [profile.count({"load": rng.normal(shift, 1, ROWS)}) for shift in shifts]


def test_independent_rows_ask_for_next_to_nothing() -> None:
    profile = baseline()
    assert estimate_delta0(profile, ticks(profile, np.zeros(TICKS)))["load"] < 0.03


def test_batches_ask_for_more_than_their_spread_since_their_shifts_add_up() -> None:
    profile, spread = baseline(), 0.1
    found = estimate_delta0(profile, ticks(profile, np.random.default_rng(3).normal(0, spread, TICKS)))["load"]
    strength, needed = ROWS * spread**2, math.log(288_000 * 20)
    assert found == pytest.approx(spread * math.sqrt(needed * strength / (2 * (1 + strength))), rel=0.2)
    assert found > 2 * spread


def test_a_slow_wave_asks_for_its_height() -> None:
    profile, height = baseline(), 0.3
    waves = height * np.sin(2 * np.pi * np.arange(TICKS) / TICKS)
    assert estimate_delta0(profile, ticks(profile, waves))["load"] == pytest.approx(height, rel=0.2)


def test_rarer_false_alarms_ask_for_more() -> None:
    profile = baseline()
    held_out = ticks(profile, np.random.default_rng(3).normal(0, 0.1, TICKS))
    rare = estimate_delta0(profile, held_out, checks_between_false_alarms=1e9)["load"]
    assert rare > estimate_delta0(profile, held_out, checks_between_false_alarms=1e3)["load"]


def test_ticks_of_other_bins_and_too_few_are_refused() -> None:
    profile, other = baseline(), Profile.from_columns({"load": np.arange(50.0)})
    with pytest.raises(LayoutMismatch):
        estimate_delta0(profile, [other.counts] * 3)
    with pytest.raises(NoEvidence):
        estimate_delta0(profile, [profile.counts, profile.counts, Counts.empty(profile.layout)])
