"""Drift that lasts is told once in a while, not with every alarm; errors that grew are told each time."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from runtime.domain import events as e
from tests.unit.monitoring.world import Traffic, World

DRIFT, PERFORMANCE = e.FindingKind.DATA_DRIFT, e.FindingKind.PERFORMANCE
FOUR_WEEKS = timedelta(days=28)


def days_of(found: list[e.FindingOpened], about: e.FindingKind) -> list[e.FindingOpened]:
    return [finding for finding in found if finding.about is about]


def drifting(days: range, **changes: Any) -> list[Traffic]:
    return [Traffic(number, later=6.0, **changes) for number in days]


def gaps(found: list[e.FindingOpened]) -> list[timedelta]:
    return [later.as_of - earlier.as_of for earlier, later in pairwise(found)]


def test_drift_that_lasts_is_told_again_after_four_weeks(tmp_path: Path) -> None:
    found = World(tmp_path).live(drifting(range(70)))
    assert {finding.about for finding in found} == {DRIFT}
    assert gaps(found) == [FOUR_WEEKS, FOUR_WEEKS]


@pytest.mark.parametrize(("repeat_after", "least"), [("7d", timedelta(days=7)), ("0d", timedelta(days=1))])
def test_the_spec_says_how_often(tmp_path: Path, repeat_after: str, least: timedelta) -> None:
    found = World(tmp_path, monitor={"repeat_after": repeat_after}).live(drifting(range(30)))
    assert len(found) > 3
    assert min(gaps(found)) == least


def test_drift_that_went_away_is_not_told_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    found = world.live(drifting(range(3)))
    assert len(found) == 1
    assert world.live([Traffic(number) for number in range(3, 60)]) == []


def test_errors_that_grew_are_told_with_every_alarm(tmp_path: Path) -> None:
    found = World(tmp_path).live([Traffic(number, bias=8.0) for number in range(28)])
    assert {finding.about for finding in found} == {PERFORMANCE}
    assert len(found) >= 2
    assert min(gaps(found)) < FOUR_WEEKS


def test_drift_that_was_told_does_not_hold_back_errors_that_grow_later(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert days_of(world.live(drifting(range(5))), DRIFT)
    found = world.live(drifting(range(5, 20), bias=8.0))
    assert {finding.about for finding in found} == {PERFORMANCE}


def test_a_new_champion_is_told_of_drift_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert len(world.live(drifting(range(5)))) == 1
    world.crown(2)
    (again,) = world.live(drifting(range(5, 10), version=2))
    assert (again.about, again.version) == (DRIFT, 2)
