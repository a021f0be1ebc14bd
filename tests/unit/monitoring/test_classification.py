"""A classifier is watched by its probabilities and labels, and judged by its own metric."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.domain import events as e
from runtime.domain.decision import Decision, Variant
from runtime.domain.ids import derived_id
from runtime.domain.metrics import Metric
from runtime.domain.verdict import Action
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.judged import errors_of, performance, watched_metric
from runtime.policy.retraining import verdict
from runtime.statistics.classification import counted
from runtime.statistics.performance import error_profile
from runtime.statistics.profile import Profile
from tests.unit.domain.lives import MODEL, STEPS, a_spec, started
from tests.unit.monitoring.world import DESTINATIONS, Traffic, World, day

TWO: dict[str, Any] = {"task": "classification", "gates": [{"round_trip": True}]}
THREE: dict[str, Any] = {**TWO, "classes": ["early", "on time", "late"]}


def spec_changes(metric: str, kind: dict[str, Any]) -> dict[str, Any]:
    train = {"estimator": "LogisticRegression", "metric": metric}
    return {**kind, "train": train}


def drawn(
    rows: int, seed: int, classes: int, *, good: bool = True
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What is answered, and what came of it; of a model that is no good anymore, whatever."""
    chance = np.random.default_rng((seed, rows))
    truth = chance.integers(classes, size=rows).astype(np.float64)
    if classes > 2:
        wrong = chance.random(rows) < (0.1 if good else 0.6)
        return np.where(wrong, (truth + 1) % classes, truth), truth
    raw = (2.0 if good else 0.0) * (2 * truth - 1) + chance.normal(0, 1, rows)
    return 1 / (1 + np.exp(-raw)), truth


def a_baseline(classes: int, *, perfect: bool = False) -> Baseline:
    answers, truth = drawn(2000, 2013, classes)
    answers = truth if perfect else answers
    chance = np.random.default_rng(2013)
    columns = {
        "hour": chance.uniform(6, 22, len(answers)),
        "dest": chance.choice(DESTINATIONS, len(answers)).astype(object),
        "prediction": answers,
    }
    rows = list(zip(answers.tolist(), truth.tolist(), strict=True))
    counts = counted(answers, truth, classes)
    return Baseline(
        Profile.from_columns(columns), error_profile(errors_of(rows, classes)), performance(rows, classes), counts
    )


def traffic(number: int, classes: int, *, good: bool = True) -> Traffic:
    """A day of flights whose answers and outcomes are of classes."""
    today = Traffic(number)
    answers, truth = drawn(today.rows, 100 + number, classes, good=good)
    today.decision.outputs[:] = answers.tolist()
    today.outcomes.actuals[:] = truth.tolist()
    return today


def a_world(folder: Path, metric: str, kind: dict[str, Any]) -> World:
    world = World(folder, watching=False, **spec_changes(metric, kind))
    world.crown(1, a_baseline(3 if "classes" in kind else 2))
    return world


@pytest.mark.parametrize(
    ("kind", "metric", "name", "known"),
    [
        (TWO, "log_loss", "log loss", {"log_loss", "brier", "roc_auc", "accuracy", "f1"}),
        (TWO, "roc_auc", "1 - ROC AUC", {"log_loss", "brier", "roc_auc", "accuracy", "f1"}),
        (THREE, "f1", "1 - f1", {"accuracy", "f1"}),
        (THREE, "log_loss", "1 - accuracy", {"accuracy", "f1"}),
    ],
)
def test_a_classifier_that_became_worse_is_found_and_retrained_by_its_own_metric(
    tmp_path: Path, kind: dict[str, Any], metric: str, name: str, known: set[str]
) -> None:
    world = a_world(tmp_path, metric, kind)
    classes = 3 if kind is THREE else 2
    assert world.live([traffic(number, classes) for number in range(8)]) == [], "nothing changed yet"
    found = world.live([traffic(number, classes, good=False) for number in range(8, 20)])
    errors = [each for each in found if each.about is e.FindingKind.PERFORMANCE]
    assert errors, "it was not found"
    first = errors[0]
    assert first.recent is not None
    assert first.baseline is not None
    assert set(first.recent.metrics) == set(first.baseline.metrics) == known | {"mae"}
    spec = a_spec(**spec_changes(metric, kind))
    answer = verdict(first, world.monitor.state.model(MODEL), spec)
    assert answer.action is Action.RETRAIN
    assert answer.reason.startswith(f"recent {name} ")


@pytest.mark.parametrize("kind", [TWO, THREE])
def test_a_version_that_never_erred_in_training_is_found_when_it_does(tmp_path: Path, kind: dict[str, Any]) -> None:
    classes = 3 if kind is THREE else 2
    world = World(tmp_path, watching=False, **spec_changes("accuracy", kind))
    world.crown(1, a_baseline(classes, perfect=True))
    found = world.live([traffic(number, classes, good=False) for number in range(6)])
    first = next(each for each in found if each.about is e.FindingKind.PERFORMANCE)
    answer = verdict(first, world.monitor.state.model(MODEL), a_spec(**spec_changes("accuracy", kind)))
    assert answer.action is Action.RETRAIN
    assert answer.numbers["baseline_accuracy_error"] == 0
    assert answer.numbers["accuracy_error_ratio"] <= 4000, "half a row of the baseline's is the least error there is"


@pytest.mark.parametrize("kind", [TWO, THREE])
def test_an_outcome_that_is_no_class_counts_for_nothing(tmp_path: Path, kind: dict[str, Any]) -> None:
    world = a_world(tmp_path, "accuracy", kind)
    today = traffic(0, 3 if kind is THREE else 2)
    today.outcomes.actuals[:2] = [7.0, 0.5]
    world.live([today])
    recent = world.watch.recent_performance
    assert recent is not None
    assert world.watch.unknown_outcomes == 2
    assert recent.rows == min(30, today.rows - 2)


def beside(today: Traffic, outputs: list[float]) -> Decision:
    names = {name: getattr(today.decision, name) for name in today.decision.__slots__}
    return Decision(**names | {"version": 2, "variant": Variant.SHADOW, "outputs": outputs})


@pytest.mark.parametrize(
    ("kind", "metric", "compared"),
    [
        (TWO, "roc_auc", "log_loss"),
        (TWO, "brier", "brier"),
        (TWO, "accuracy", "1 - accuracy"),
        (THREE, "log_loss", "1 - accuracy"),
    ],
)
def test_a_challenger_is_compared_by_what_recorded_answers_tell_row_by_row(
    tmp_path: Path, kind: dict[str, Any], metric: str, compared: str
) -> None:
    world = a_world(tmp_path, metric, kind)
    classes = 3 if kind is THREE else 2
    world.prepare(2, a_baseline(classes))
    world.tell(started(2, STEPS))
    for number in range(3):
        today = traffic(number, classes, good=False)
        perfect = [actual if classes > 2 else 0.1 + 0.8 * actual for actual in today.outcomes.actuals]
        world.tell(
            world.in_memory(today.decision), world.in_memory(beside(today, perfect)), world.in_memory(today.outcomes)
        )
        world.end_of(number)
    (measured,) = [each.event for each in world.drafts if isinstance(each.event, e.RolloutMeasured)]
    assert measured.comparison.metric == compared
    assert measured.comparison.challenger < measured.comparison.champion
    assert measured.comparison.high is not None
    assert measured.comparison.high < 0


def test_a_regression_is_watched_by_its_own_metric() -> None:
    spec = a_spec(train={"estimator": "Ridge", "metric": "rmse"})
    assert watched_metric(spec) is Metric.RMSE


def test_days_are_the_same_each_time() -> None:
    assert traffic(3, 2).decision.outputs == traffic(3, 2).decision.outputs
    assert traffic(3, 2).decision.decision_id == derived_id("day", 1, 3)
    assert traffic(3, 3).decision.time == day(3)
