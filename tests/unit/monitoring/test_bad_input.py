"""What comes in broken is counted and told, and never stops the monitor."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.checks import Check
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.monitoring.baseline import Baseline
from runtime.statistics.profile import Profile
from tests.unit.domain.lives import FULL, approved, evaluated, granted, promoted, registered, started
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


def test_a_column_that_was_missing_in_all_of_training_may_come_and_may_stay_away(tmp_path: Path) -> None:
    gone = Profile.from_columns(
        {"hour": np.full(2000, np.nan), "dest": [None] * 2000, "prediction": np.linspace(50, 150, 2000)},
        kinds={"hour": "numeric", "dest": "categorical"},
    )
    world = World(tmp_path, watching=False)
    world.crown(1, Baseline(gone, BASELINE.errors, BASELINE.performance))
    away = replace(Traffic(0).decision, numbers=([float("nan")] * 50,), texts=([None] * 50,))
    world.hand_in(away)
    assert findings(world.end_of(0)) == []
    world.hand_in(Traffic(1).decision)
    told = findings(world.end_of(1))
    assert "present" in {feature.direction for each in told for feature in each.features}


def test_outcomes_of_decisions_that_nobody_made_wait_in_bounded_room_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.monitoring.watch.MAX_WAITING", 1000)
    world = World(tmp_path)
    today = Traffic(0)
    for number in range(30):
        world.hand_in(replace(Traffic(number, seed=9).outcomes, decision_id=f"nobody-{number}"))
    world.hand_in(today.decision, today.outcomes, today.outcomes)
    assert findings(world.end_of(0)) == []
    assert len(world.watch.told) <= 1000
    assert len(world.watch.recent) == 30, "the fleet's own outcomes were joined"
    assert world.watch.unknown_outcomes >= 500


def test_a_version_with_other_columns_is_watched_by_its_own_and_late_rows_of_the_former_stop_nothing(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    chance = np.random.default_rng(5)
    columns = {"dest": BASELINE.features.feature("dest"), "prediction": BASELINE.features.feature("prediction")}
    winds = Profile.from_columns({"wind": chance.normal(0, 1, 2000)}).features
    baseline = Baseline(Profile((*winds, *columns.values())), BASELINE.errors, BASELINE.performance)
    number = FieldKind.NUMBER
    schema = Schema(
        inputs=(
            Field(name="wind", kind=number),
            Field(name="gust", kind=number),
            Field(name="dest", kind=FieldKind.TEXT),
        ),
        outputs=(Field(name="prediction", kind=number),),
    )
    stored = world.store.put(canonical.encode(baseline.as_document()))
    version = registered(2).model_copy(update={"baseline": stored, "schema_": schema})
    world.tell(version, evaluated(2), approved(2), granted(2), started(2, FULL), promoted(2))
    new = Traffic(0, version=2).decision
    winds_now = chance.normal(0, 1, 50).tolist()
    world.hand_in(replace(new, numbers=(winds_now, winds_now)), Traffic(0, seed=4).decision)
    assert findings(world.end_of(0)) == []
    assert world.watch.features is not None
    assert world.watch.features.state.rows == 50, "those of the new version alone"
    assert world.watch.features.profile.layout.names == ("wind", "dest", "prediction")
