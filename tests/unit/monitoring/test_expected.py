"""A finding says what to expect before outcomes, and which slice fares worst, from the counts of its own window."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.domain import events as e
from runtime.domain.errors import FleetwardError
from runtime.domain.estimates import expected_in_words, gap_in_words
from runtime.domain.metrics import Metric
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.forecast import Forecast
from runtime.monitoring.slicing import Slicing
from runtime.monitoring.watch_form import Parts, Taken, document_of, watch_of
from runtime.policy.retraining import verdict
from runtime.statistics.dle import LossEstimator
from runtime.statistics.slices import SliceValues, sliced
from tests.unit.domain.lives import MODEL, a_spec
from tests.unit.monitoring import test_classification as classes
from tests.unit.monitoring.world import BASELINE, DESTINATIONS, Traffic, World

SLICED: dict[str, Any] = {"monitor": {"slices": ["dest"]}}
VALUES = SliceValues(tuple(sorted(DESTINATIONS)))


def a_baseline() -> Baseline:
    """The world's, with the losses and slices that a package brings."""
    chance = np.random.default_rng(2013)
    answers, errors = chance.normal(100, 20, 2000), chance.normal(0, 10, 2000)
    places = VALUES.places(chance.choice(DESTINATIONS, 2000).tolist())
    slices = {"dest": sliced(VALUES, places, answers, answers - errors, None)}
    losses = LossEstimator.learned(answers, errors)
    return Baseline(BASELINE.features, BASELINE.errors, BASELINE.performance, losses=losses, slices=slices)


def a_world(folder: Path) -> World:
    world = World(folder, watching=False, **SLICED)
    world.crown(1, a_baseline())
    return world


def test_drift_without_outcomes_comes_with_the_error_to_expect(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    found: list[e.Event] = []
    for number in range(6):
        today = Traffic(number, later=8.0 if number > 2 else 0.0)
        world.tell(world.in_memory(today.decision))
        found += world.end_of(number)
    first = next(each for each in found if isinstance(each, e.FindingOpened))
    assert first.recent is None
    assert first.estimated is not None
    (mae, rmse) = first.estimated.metrics
    assert (mae.metric, rmse.metric, first.estimated.method) == (Metric.MAE, Metric.RMSE, "dle")
    assert mae.low < 10 * np.sqrt(2 / np.pi) < mae.high, "of errors with standard deviation 10"
    answer = verdict(first, world.monitor.state.model(MODEL), a_spec(**SLICED))
    assert answer.reason == f"no outcomes yet, so no sign that errors grew; {expected_in_words(first.estimated)}"


def test_a_classifiers_estimate_stands_beside_what_outcomes_told(tmp_path: Path) -> None:
    world = classes.a_world(tmp_path, "accuracy", classes.TWO)
    found = world.live([classes.traffic(number, 2, good=number < 8) for number in range(16)])
    first = next(each for each in found if each.about is e.FindingKind.PERFORMANCE)
    assert first.estimated is not None
    assert first.recent is not None
    accuracy = next(each for each in first.estimated.metrics if each.metric is Metric.ACCURACY)
    assert first.recent.accuracy is not None
    assert first.recent.accuracy < accuracy.low, "the world moved, which an estimate cannot know"


def test_the_window_is_the_last_tick_until_evidence_grows(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    world.live([Traffic(0, rows=70), Traffic(1, rows=40)])
    assert world.watch.features is not None
    estimated = world.watch.estimated_performance
    assert estimated is not None
    assert estimated.rows == (40 if world.watch.features.since is None else 110)
    forecast = Forecast(LossEstimator.learned([1.0, 2.0], [1.0, 1.0]))
    assert forecast.performance is None
    for rows, growing, expected in ((3, False, 3), (4, True, 7), (0, False, 7), (5, False, 5)):
        forecast.count([1.0] * rows)
        forecast.close(growing=growing)
        assert forecast.performance is not None
        assert forecast.performance.rows == expected


def test_a_slice_that_is_answered_worse_is_named(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    for number in range(8):
        today = Traffic(number)
        actuals = [
            actual + (60.0 if dest == "ORD" else 0.0)
            for actual, dest in zip(today.outcomes.actuals, today.decision.texts[0], strict=True)
        ]
        today.outcomes.actuals[:] = actuals
        world.live([today])
    (gap,) = world.watch.slice_gaps
    assert (gap.slice, gap.worst, gap.metric, gap.values) == ("dest", "ORD", Metric.MAE, 3)
    assert gap.worst_error > 50 > gap.best_error
    assert gap.rows == 400
    assert gap_in_words([gap]).startswith("MAE ")
    assert "on dest ORD against" in gap_in_words([gap])


def test_two_classes_are_compared_by_who_is_selected() -> None:
    values = SliceValues(("a", "b"))
    slicing = Slicing({"group": sliced(values, np.array([], dtype=np.intp), [], [], 2)}, 2)
    keys = [("d", row) for row in range(80)]
    slicing.served(keys, {"group": np.array(["a", "b"] * 40, dtype=object)})
    slicing.judged([(key, 0.9 if key[1] % 2 else 0.1, float(key[1] % 4 > 1)) for key in keys])
    (gap,) = slicing.gaps
    assert gap.demographic_parity_difference == 1.0
    assert gap.equalized_odds_difference == 1.0
    assert (gap.worst_error, gap.best_error) == (0.5, 0.5)


def test_what_is_counted_comes_back(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    world.tell(world.in_memory(Traffic(0).decision))
    watch = world.watch
    assert watch.slicing is not None
    assert watch.forecast is not None
    again = Slicing(a_baseline().slices, None)
    again.restore(watch.slicing.as_document(), watch.slicing.as_columns())
    assert again.as_columns() == watch.slicing.as_columns()
    forecast = Forecast(watch.forecast.estimator)
    forecast.restore(watch.forecast.as_document())
    assert forecast.as_document() == watch.forecast.as_document()
    with pytest.raises(FleetwardError, match="bins"):
        forecast.restore({"open_tick": [1], "window": [1]})


def test_a_monitor_that_saves_and_starts_again_expects_the_same(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    world.live([Traffic(0), Traffic(1)])
    world.tell(world.in_memory(Traffic(2).decision))
    parts = Parts()
    document = json.loads(json.dumps(document_of(world.watch, parts)))
    again = watch_of(document, Taken(memoryview(parts.joined())), {a_spec(**SLICED).digest: a_spec(**SLICED)})
    assert again.estimated_performance == world.watch.estimated_performance
    assert again.slice_gaps == world.watch.slice_gaps != ()
    for watch in (again, world.watch):
        watch.take([(Traffic(2).decision.decision_id, row, 100.0) for row in range(50)])
        watch.settle()
    assert again.estimated_performance == world.watch.estimated_performance
    assert again.slice_gaps == world.watch.slice_gaps


def test_a_baseline_from_before_there_were_estimates_gives_none(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.live([Traffic(0)])
    assert world.watch.estimated_performance is None
    assert world.watch.slice_gaps == ()


def test_a_slice_that_is_no_feature_is_refused() -> None:
    with pytest.raises(ValueError, match=r"names among data\.features"):
        a_spec(monitor={"slices": ["planet"]})
