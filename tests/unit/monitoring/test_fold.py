"""The monitor: every row counted once, every outcome joined, an alarm when errors change and none when they do not."""

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.fold import fold
from runtime.domain.reports import WindowPerformance
from runtime.domain.verdict import Action
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.fold import MONITOR
from runtime.policy.retraining import verdict
from tests.unit.domain.lives import (
    FULL,
    MODEL,
    MONDAY,
    STEPS,
    a_spec,
    aborted,
    advanced,
    promoted,
    refused,
    rolled_back,
    started,
)
from tests.unit.monitoring.world import BASELINE, Traffic, World, day


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world whose model has a champion, version 1."""
    return World(tmp_path)


def counted(world: World) -> int:
    """Rows in the open tick of the feature detector."""
    assert world.watch.features is not None
    return world.watch.features.open_tick.rows


def judged(world: World) -> int:
    """Errors in the window of recent performance."""
    recent = world.watch.recent_performance
    return 0 if recent is None else recent.rows


def closed(events: list[e.Event]) -> e.TicksClosed:
    last = events[-1]
    assert isinstance(last, e.TicksClosed)
    return last


# --- rows ------------------------------------------------------------------------------------------


def test_a_tick_tells_how_many_records_it_took_in(world: World) -> None:
    today = Traffic(0)
    world.hand_in(today.decision, today.outcomes)
    assert closed(world.end_of(0)) == e.TicksClosed(until=day(1), ticks=1, decisions=50, outcomes=50)
    assert closed(world.end_of(1)) == e.TicksClosed(until=day(2), ticks=1, decisions=0, outcomes=0)
    assert {draft.principal for draft in world.drafts} == {MONITOR}


def test_a_tick_is_closed_once_however_often_the_watermark_moves_within_it(world: World) -> None:
    assert closed(world.tell(e.WatermarkAdvanced(until=day(1) + timedelta(hours=1)))).ticks == 1
    assert closed(world.tell(e.WatermarkAdvanced(until=day(1) + timedelta(hours=9)))).ticks == 0
    assert closed(world.tell(e.WatermarkAdvanced(until=day(2)))).ticks == 1


def test_rows_that_come_again_are_counted_once(world: World) -> None:
    today = Traffic(0, rows=20)
    world.hand_in(today.decision, today.decision)
    world.hand_in(today.decision)
    assert counted(world) == 20
    world.hand_in(today.outcomes, today.outcomes)
    world.hand_in(today.outcomes)
    world.end_of(0)
    assert judged(world) == 20
    assert world.watch.unknown_outcomes == 40


def test_rows_that_come_again_after_their_outcome_are_counted_once(world: World) -> None:
    today = Traffic(0, rows=20)
    world.hand_in(today.decision, today.outcomes)
    world.end_of(0)
    world.hand_in(today.decision, today.outcomes)
    assert counted(world) == 0
    world.end_of(1)
    assert judged(world) == 20
    assert len(world.watch.waiting) == 0


def test_an_outcome_that_comes_weeks_later_is_joined(world: World) -> None:
    today = Traffic(0, rows=20, bias=500.0)
    world.hand_in(today.decision)
    for number in range(20):
        world.end_of(number)
    assert (judged(world), len(world.watch.waiting)) == (0, 20)
    world.hand_in(today.outcomes)
    world.end_of(20)
    recent = world.watch.recent_performance
    assert recent is not None
    assert recent.rows == 20
    assert recent.bias == pytest.approx(500, abs=10)


def test_an_outcome_that_is_sealed_before_its_decision_is_joined(world: World) -> None:
    today = Traffic(0, rows=20)
    world.hand_in(today.outcomes)
    world.end_of(0)
    assert judged(world) == 0
    world.hand_in(today.decision)
    world.end_of(1)
    assert (judged(world), world.watch.unknown_outcomes) == (20, 0)


def test_of_two_outcomes_of_a_row_the_first_counts(world: World) -> None:
    today, other = Traffic(0, rows=1), Traffic(0, rows=1, bias=1e6)
    world.hand_in(today.decision, today.outcomes)
    world.hand_in(other.outcomes)
    world.end_of(0)
    recent = world.watch.recent_performance
    assert recent is not None
    assert recent.mae < 100


def test_an_outcome_belongs_to_the_version_that_answered(world: World) -> None:
    yesterday = Traffic(0, rows=20)
    world.hand_in(yesterday.decision)
    world.end_of(0)
    world.crown(2)
    world.hand_in(yesterday.outcomes)
    world.end_of(1)
    assert judged(world) == 0, "an error of version 1 says nothing of version 2"


def test_a_row_of_another_version_is_not_counted_against_this_baseline(world: World) -> None:
    world.hand_in(Traffic(0, version=1).decision)
    assert counted(world) == 50
    world.crown(2)
    assert counted(world) == 0
    world.hand_in(Traffic(1, version=1).decision)
    assert counted(world) == 0
    world.hand_in(Traffic(2, version=2).decision)
    assert counted(world) == 50


def test_missing_values_and_unseen_categories_are_counted_as_such(world: World) -> None:
    decision = Traffic(0, rows=4).decision
    odd = type(decision)(
        **{name: getattr(decision, name) for name in decision.__slots__}
        | {"numbers": ([None, float("nan"), 7.0, 8.0],), "texts": ([None, "MARS", "LAX", "ORD"],)}
    )
    world.hand_in(odd)
    assert world.watch.features is not None
    by_feature = world.watch.features.open_tick.by_feature()
    assert by_feature["hour"][-1] == 2
    assert by_feature["dest"][-2:].tolist() == [1, 1]


# --- alarms ----------------------------------------------------------------------------------------


def test_no_alarm_where_nothing_changed(world: World) -> None:
    assert world.live([Traffic(number) for number in range(90)]) == []


def test_an_alarm_when_errors_shift(world: World) -> None:
    found = world.live([Traffic(number, bias=0.0 if number < 30 else 8.0) for number in range(60)])
    assert found
    first = found[0]
    assert first.about is e.FindingKind.PERFORMANCE
    assert day(30) < first.as_of <= day(33)
    assert day(29) <= first.since <= day(31)
    assert first.log_evidence >= first.log_threshold
    assert first.baseline == BASELINE.performance
    assert first.recent is not None
    assert first.recent.mae > BASELINE.performance.mae
    assert first.recent.bias > 4
    assert {event.about for event in found} == {e.FindingKind.PERFORMANCE}, "the inputs are what they were"


def test_an_alarm_when_inputs_shift_names_the_feature_that_moved(world: World) -> None:
    found = world.live([Traffic(number, later=0.0 if number < 30 else 6.0) for number in range(40)])
    assert {event.about for event in found} == {e.FindingKind.DATA_DRIFT}
    first = found[0]
    assert day(30) < first.as_of <= day(33)
    assert first.features[0].feature == "hour"
    assert first.features[0].psi > 0.2


def test_a_column_that_went_missing_is_found_and_calls_a_person(world: World) -> None:
    found = world.live(
        [Traffic(number, bias=float(number >= 30) * 8, lost=float(number >= 30)) for number in range(35)]
    )
    drift = next(event for event in found if event.about is e.FindingKind.DATA_DRIFT)
    assert (drift.features[0].feature, drift.features[0].missing_rate) == ("hour", 1.0)
    spec = a_spec(retrain={"when": ["drift", "performance"]})
    assert verdict(drift, world.monitor.state.model(MODEL), spec).action is Action.CALL_A_PERSON


def test_evidence_starts_anew_after_an_alarm(world: World) -> None:
    found = world.live([Traffic(number, bias=8.0) for number in range(30)])
    moments = [event.as_of for event in found]
    assert len(moments) >= 2
    assert len({event.finding for event in found}) == len(found)
    assert all(later > earlier for earlier, later in pairwise(moments))
    assert found[1].since >= found[0].as_of


def test_a_feature_that_is_not_watched_raises_no_alarm(tmp_path: Path) -> None:
    world = World(tmp_path, monitor={"features": ["dest"]})
    assert world.live([Traffic(number, later=6.0) for number in range(10)]) == []


def test_an_empty_tick_changes_no_evidence(world: World) -> None:
    world.live([Traffic(number, bias=3.0) for number in range(3)])
    gauges = deepcopy((world.watch.errors, world.watch.features))
    world.end_of(3)
    for gauge, before in zip((world.watch.errors, world.watch.features), gauges, strict=True):
        assert gauge is not None
        assert before is not None
        assert np.array_equal(gauge.state.as_document()["log_r"], before.state.as_document()["log_r"])


def test_a_new_champion_is_watched_from_nothing_against_its_own_baseline(world: World) -> None:
    world.live([Traffic(number, bias=4.0) for number in range(2)])
    other = Baseline(BASELINE.features, BASELINE.errors, WindowPerformance(rows=9, mae=1.0, bias=0.0))
    world.crown(2, other)
    assert world.watch.baseline == other
    assert (world.watch.version, world.watch.recent_performance) == (2, None)
    world.tell(rolled_back(2, 1))
    assert (world.watch.version, world.watch.baseline) == (1, BASELINE)


def test_a_retired_model_is_watched_no_more(world: World) -> None:
    world.hand_in(Traffic(0).decision)
    world.tell(e.ModelRetired(model=MODEL, reason=""))
    assert closed(world.end_of(0)).ticks == 0


# --- rollouts --------------------------------------------------------------------------------------


def under_rollout(world: World) -> World:
    world.prepare(2)
    world.tell(started(2, STEPS))
    return world


def measures(events: list[e.Event]) -> list[e.RolloutMeasured]:
    return [event for event in events if isinstance(event, e.RolloutMeasured)]


def test_a_step_is_measured_on_rows_that_both_versions_predicted(world: World) -> None:
    under_rollout(world)
    today = Traffic(0, rows=40)
    world.hand_in(today.decision, today.beside(2, error=3.0))
    assert measures(world.end_of(0)) == [], "no outcomes yet"
    world.hand_in(today.outcomes)
    (found,) = measures(world.end_of(1))
    errors = np.array(today.decision.outputs) - np.array(today.outcomes.actuals)
    comparison = found.comparison
    assert (found.version, found.step, found.as_of) == (2, 0, day(2))
    assert (comparison.rows, comparison.metric) == (40, "mae")
    assert comparison.challenger == pytest.approx(3.0)
    assert comparison.champion == pytest.approx(np.abs(errors).mean())
    assert comparison.low is not None
    assert comparison.high is not None
    assert comparison.low < comparison.difference < comparison.high


def test_the_shadow_may_be_told_before_the_answer_it_stood_beside(world: World) -> None:
    under_rollout(world)
    today = Traffic(0, rows=40)
    world.hand_in(today.beside(2, error=3.0))
    world.hand_in(today.decision)
    world.hand_in(today.outcomes)
    (found,) = measures(world.end_of(0))
    assert found.comparison.rows == 40


def test_a_step_is_told_once_and_only_when_enough_rows_are_judged(world: World) -> None:
    under_rollout(world)
    told = []
    for number in range(4):
        today = Traffic(number, rows=20)
        world.hand_in(today.decision, today.beside(2, error=3.0), today.outcomes)
        told += [(number, found.comparison.rows) for found in measures(world.end_of(number))]
    assert told == [(1, 40)]


def test_the_next_step_is_judged_by_its_own_rows_alone(world: World) -> None:
    under_rollout(world)
    first, second = Traffic(0, rows=40), Traffic(1, rows=15)
    world.hand_in(first.decision, first.beside(2, error=3.0), first.outcomes)
    world.end_of(0)
    late = Traffic(7, rows=15)
    world.hand_in(late.decision, late.beside(2, error=99.0))
    world.tell(advanced(2, 1))
    world.hand_in(second.decision, second.beside(2, error=1.0), second.outcomes, late.outcomes)
    (found,) = measures(world.end_of(1))
    assert (found.step, found.comparison.rows) == (1, 15)
    assert found.comparison.challenger == pytest.approx(1.0)


@pytest.mark.parametrize("end", [lambda: aborted(2), lambda: promoted(2)])
def test_a_rollout_that_ended_is_measured_no_more(world: World, end: Callable[[], e.Event]) -> None:
    under_rollout(world)
    today = Traffic(0, rows=40)
    world.hand_in(today.decision, today.beside(2, error=3.0))
    world.tell(end())
    world.hand_in(today.outcomes)
    assert measures(world.end_of(0)) == []


def test_a_version_refused_at_its_full_step_is_tried_no_more(world: World) -> None:
    world.prepare(2)
    world.tell(started(2, FULL))
    assert world.watch.trial is not None
    world.tell(refused(2))
    assert world.watch.trial is None


# --- restarts and broken stores --------------------------------------------------------------------


def test_an_entry_whose_baseline_cannot_be_read_now_may_be_given_again(world: World) -> None:
    world.prepare(2)
    world.tell(started(2, FULL))
    working = world.monitor._read_object

    def away(digest: str) -> bytes:
        raise OSError(f"{digest}: the store is away")

    entry = Entry(len(world.entries), "id", MONDAY, "service:operator", promoted(2))
    world.monitor._read_object = away
    with pytest.raises(OSError, match="away"):
        world.monitor.apply(entry)
    world.monitor._read_object = working
    world.monitor.apply(entry)
    assert world.watch.version == 2


def test_an_entry_without_its_data_moves_the_state_all_the_same(world: World) -> None:
    (segment,) = world.segments(Traffic(0).decision)
    entry = Entry(len(world.entries), "id", MONDAY, "service:replica", segment)
    assert world.monitor.apply_without_data(entry) == []
    assert world.monitor.state == fold([*world.entries, entry])
    assert counted(world) == 0
