"""What comes in broken is counted and told, and never stops the monitor."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.checks import Check
from runtime.monitoring.baseline import Baseline
from runtime.statistics.profile import Profile
from tests.unit.monitoring.world import BASELINE, Traffic, World, day


def findings(events: list[e.Event]) -> list[e.FindingOpened]:
    """They are also what the ledger would keep: each is written and read back."""
    found = [event for event in events if isinstance(event, e.FindingOpened)]
    documents = [json.loads(canonical.encode(each.as_document())) for each in found]
    assert [e.event_from_document(document) for document in documents] == found
    return found


def test_predictions_that_are_no_number_are_counted_and_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    today = Traffic(0)
    broken = replace(today.decision, outputs=[float("nan")] * 25 + [float("inf")] * 25, flags=("not_finite",))
    world.hand_in(broken, today.outcomes)
    kinds = {each.about for each in findings(world.end_of(0))}
    assert {e.FindingKind.SERVICE, e.FindingKind.DATA_QUALITY} <= kinds


def test_a_thousand_new_categories_a_day_take_no_more_room(tmp_path: Path) -> None:
    world = World(tmp_path, monitor={"checks": {"within": {"dest": ["LAX"]}}})
    for number in range(3):
        names: list[str | None] = [f"{number}-{at}" for at in range(1000)]
        world.hand_in(replace(Traffic(number, rows=1000).decision, texts=(names,)))
        assert world.watch.checking is not None
        assert len(world.watch.checking.facts.outside["dest"]) <= 100
        found = findings(world.end_of(number))
        assert not number or all(each.about is not e.FindingKind.USE for each in found), "told once"


def test_a_feature_that_changed_its_type_between_versions_is_missing_and_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    chance = np.random.default_rng(3)
    swapped = Profile.from_columns({"dest": chance.uniform(0, 1, 2000), "prediction": chance.normal(100, 20, 2000)})
    world.crown(2, Baseline(swapped, BASELINE.errors, BASELINE.performance))
    world.hand_in(Traffic(0, version=2).decision)
    (told,) = [each for each in findings(world.end_of(0)) if each.about is e.FindingKind.DATA_QUALITY]
    assert told.breaches is not None
    assert [(each.check.value, each.of) for each in told.breaches] == [("type", "dest")]


def test_a_row_of_the_year_1970_and_one_of_the_next_century_are_counted(tmp_path: Path) -> None:
    world = World(tmp_path, monitor={"checks": {"ahead": 0.1}})
    early = replace(Traffic(0).decision, event_time=day(-20_000))
    late = replace(Traffic(0, seed=2).decision, event_time=day(36_000))
    world.hand_in(early, late)
    (told,) = findings(world.end_of(0))
    assert told.breaches is not None
    assert told.breaches[0].check is Check.CLOCK
    assert told.breaches[0].value == pytest.approx(0.5)
