"""What is exported of a monitor and of a fleet is what they know."""

from pathlib import Path

import pytest

from runtime.domain import events as e
from runtime.domain.fold import fold
from runtime.monitoring.measured import watch_samples
from runtime.telemetry import families as f
from runtime.telemetry.ledger import fleet_samples
from runtime.telemetry.samples import Sample
from tests.unit.domain.lives import MODEL, a_finding
from tests.unit.monitoring.world import BASELINE, Traffic, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def value(samples: list[Sample], family: f.Family, *labels: str) -> float:
    [found] = [each.value for each in samples if each.family is family and each.labels == labels]
    return found


def test_a_model_without_traffic_has_no_evidence_and_the_baselines_performance(world: World) -> None:
    samples = list(watch_samples(world.monitor.watches))
    assert value(samples, f.EVIDENCE, MODEL, "data_drift") == 0
    assert value(samples, f.PSI, MODEL) == 0
    assert value(samples, f.PERFORMANCE, MODEL, "mae", "baseline") == BASELINE.performance.mae
    assert not [each for each in samples if each.labels == (MODEL, "mae", "recent")]
    assert value(samples, f.WATCHED) == 1


def test_evidence_rises_when_rows_move_and_recent_errors_are_told(world: World) -> None:
    world.live([Traffic(number) for number in range(5)])
    quiet = value(list(watch_samples(world.monitor.watches)), f.WORST_EVIDENCE, "data_drift")
    # One feature that moves a little: evidence, and no finding yet.
    assert world.live([Traffic(5, later=1.8)]) == []
    samples = list(watch_samples(world.monitor.watches))
    assert quiet < value(samples, f.EVIDENCE, MODEL, "data_drift") < 1
    assert value(samples, f.WORST_EVIDENCE, "data_drift") == value(samples, f.EVIDENCE, MODEL, "data_drift")
    assert value(samples, f.PSI, MODEL) > 0
    recent = world.watch.recent_performance
    assert recent is not None
    assert value(samples, f.PERFORMANCE, MODEL, "mae", "recent") == recent.mae


def test_a_model_that_nobody_follows_yet_is_not_told(tmp_path: Path) -> None:
    world = World(tmp_path, watching=False)
    world.hand_in(Traffic(0).decision)
    samples = list(watch_samples(world.monitor.watches))
    assert value(samples, f.WATCHED) == 0
    assert not [each for each in samples if MODEL in each.labels]


def test_the_fleet_is_told_as_the_ledger_folds(world: World) -> None:
    world.tell(a_finding(about=e.FindingKind.DATA_DRIFT))
    state = fold(world.entries)
    samples = list(fleet_samples(state))
    assert value(samples, f.LEDGER_SIZE) == len(world.entries)
    assert value(samples, f.MODELS, "serving") == 1
    assert value(samples, f.MODELS, "suspended") == 0
    assert value(samples, f.OPEN_FINDINGS, "data_drift") == 1
    assert value(samples, f.MODEL_FINDINGS, MODEL) == 1
    world.tell(e.ModelSuspended(model=MODEL, reason="stop"))
    samples = list(fleet_samples(fold(world.entries)))
    assert (value(samples, f.MODELS, "serving"), value(samples, f.MODELS, "suspended")) == (0, 1)


def test_every_sample_has_the_labels_of_its_family(world: World) -> None:
    world.live([Traffic(0)])
    samples = [*watch_samples(world.monitor.watches), *fleet_samples(fold(world.entries))]
    assert all(len(each.labels) == len(each.family.labels) for each in samples)
    assert len({(each.family, each.labels) for each in samples}) == len(samples)
