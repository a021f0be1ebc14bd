"""Calibration of a classifier: its baseline's, and that of the rows it answered whose outcomes are known."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cli.bars import reliability_lines
from jobs.cli.drifting import _calibration_lines
from runtime.domain.calibrated import CalibrationReport
from runtime.domain.decision import Variant
from runtime.domain.errors import Refused
from runtime.domain.events import SegmentSealed
from runtime.monitoring.calibrated import calibration_on
from runtime.monitoring.reporting import Past
from tests.unit.domain.lives import MODEL, MONDAY
from tests.unit.monitoring.test_classification import THREE, TWO, a_baseline, spec_changes
from tests.unit.monitoring.world import Traffic, World, day


def a_world(folder: Path, kind: dict[str, object] = TWO, classes: int = 2) -> World:
    metric = "log_loss" if classes == 2 else "accuracy"
    world = World(folder, watching=False, **spec_changes(metric, kind))
    world.crown(1, a_baseline(classes))
    return world


def hand_in(world: World, number: int, *, sure: float, version: int = 1, variant: Variant = Variant.CHAMPION) -> None:
    """A day's rows that are given a chance of ``sure``, of which three in four come to pass."""
    today = Traffic(number, rows=400, version=version)
    world.hand_in(
        replace(today.decision, outputs=[sure] * 400, variant=variant),
        replace(today.outcomes, actuals=[float(row % 4 > 0) for row in range(400)]),
    )


def report_of(world: World) -> CalibrationReport:
    segments = tuple(entry.event for entry in world.entries if isinstance(entry.event, SegmentSealed))
    return calibration_on(Past(world.monitor.state, "root", segments), world.store, MODEL, MONDAY, day(30))


def test_chances_that_come_to_pass_have_no_error_and_others_theirs(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    hand_in(world, 0, sure=0.75)
    window = report_of(world).window
    assert window is not None
    assert window.rows == 400
    assert window.ece == pytest.approx(0, abs=1 / 256)
    hand_in(world, 1, sure=0.95)
    window = report_of(world).window
    assert window is not None
    assert window.ece == pytest.approx(0.1, abs=1 / 256)
    assert [(point.rows, point.share) for point in window.curve] == [(400, 0.75), (400, 0.75)]


def test_the_baseline_stands_beside(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    report = report_of(world)
    assert report.window is None
    assert report.baseline is not None
    assert report.baseline.rows == 2000
    assert report.baseline.ece < 0.2
    assert "no outcome of a row of this time is known yet" in list(_calibration_lines(report))


def test_rows_of_other_versions_and_answers_that_are_no_chance_take_no_part(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    hand_in(world, 0, sure=0.75)
    hand_in(world, 1, sure=0.95, version=2)
    hand_in(world, 2, sure=float("nan"))
    report = report_of(world)
    assert report.version == 1
    assert report.window is not None
    assert report.window.rows == 400


def test_labels_alone_have_no_calibration(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="one of 3 labels, and no probability"):
        report_of(a_world(tmp_path, THREE, 3))


def test_the_curve_is_drawn_and_the_document_comes_back(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    hand_in(world, 0, sure=0.75)
    report = report_of(world)
    assert CalibrationReport.model_validate(json.loads(json.dumps(report.as_document()))) == report
    assert report.window is not None
    told = list(reliability_lines("window", report.window.as_document()))
    assert told[0] == f"window: expected calibration error {report.window.ece:.4f} of 400 rows"
    assert told[2].split()[:2] == ["0.752", "75.0%"]
