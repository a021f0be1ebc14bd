"""What a spec's ``delta0: measured`` measures, and that it reaches the detector and nobody who did not ask."""

from datetime import timedelta

import numpy as np
import pytest

from runtime.monitoring.baseline import Baseline
from runtime.pipeline.rows import Rows
from runtime.pipeline.straying import straying
from runtime.statistics.profile import Profile

DAY_US = 24 * 3600 * 10**6
DAYS, ROWS = 60, 300


def rows_of(shifts: np.ndarray) -> Rows:
    """So many rows a day, in any order of time; one feature whose mean is the day's."""
    rng = np.random.default_rng(1)
    time = (np.repeat(np.arange(DAYS), ROWS) + rng.random(DAYS * ROWS)) * DAY_US
    load = rng.normal(np.repeat(shifts, ROWS), 1)
    order = rng.permutation(time.size)
    columns = {"load": load[order]}
    return Rows(time[order].astype(np.int64), np.zeros(time.size), columns, {})


def delta0(shifts: np.ndarray, every: timedelta = timedelta(days=1)) -> float:
    rows = rows_of(shifts)
    return straying(Profile.from_columns(rows.columns), rows, rows.columns, every, 10_000)["load"]


def test_days_that_are_alike_ask_for_next_to_nothing() -> None:
    assert delta0(np.zeros(DAYS)) < 0.05


def test_a_season_in_the_training_time_is_ignored_at_its_height() -> None:
    assert delta0(0.5 * np.sin(2 * np.pi * np.arange(DAYS) / DAYS)) == pytest.approx(0.5, rel=0.2)


def test_a_training_time_of_two_ticks_measures_nothing() -> None:
    assert delta0(np.linspace(-1, 1, DAYS), timedelta(days=DAYS / 2)) == 0


def test_what_was_measured_comes_back_from_the_stored_baseline() -> None:
    profile = Profile.from_columns({"load": np.arange(50.0)})
    parts = {"features": profile.as_document(), "errors": profile.as_document(), "rows": 50, "mae": 1.0, "bias": 0.0}
    assert Baseline.from_document(parts).delta0 == {}
    assert "delta0" not in Baseline.from_document(parts).as_document()
    measured = Baseline.from_document(parts | {"delta0": {"load": 0.25}})
    assert Baseline.from_document(measured.as_document()) == measured
    assert measured.delta0 == {"load": 0.25}
