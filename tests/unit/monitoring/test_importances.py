"""A finding ranks its features by how surely they moved, and by how much that matters to the answers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.gauge import Gauge
from runtime.statistics.detector import DetectorPlan, Reading
from runtime.statistics.profile import Profile
from tests.unit.monitoring.world import BASELINE, Traffic, World

MATTERS = {"hour": 0.05, "dest": 0.95}


def moved() -> tuple[Gauge, Reading]:
    """Hours moved far and destinations a little; what was answered moved not at all."""
    chance = np.random.default_rng(3)

    def columns(rows: int, *, later: float, lax: float) -> dict[str, Any]:
        return {
            "hour": chance.uniform(6, 22, rows) + later,
            "dest": chance.choice(["LAX", "SFO"], rows, p=[lax, 1 - lax]).astype(object),
            "prediction": chance.normal(0, 1, rows),
        }

    profile = Profile.from_columns(columns(4000, later=0, lax=0.5))
    gauge = Gauge(profile, DetectorPlan.build(profile, checks_between_false_alarms=100))
    gauge.count(columns(800, later=8, lax=0.7))
    reading = gauge.close(Traffic(0).decision.event_time)
    assert reading is not None
    return gauge, reading


def test_what_matters_more_stands_before_what_moved_further() -> None:
    gauge, reading = moved()
    assert gauge.by_movement(reading)[0] == "hour"
    assert gauge.by_movement(reading, MATTERS)[:2] == ["dest", "hour"]
    assert [each.importance for each in gauge.statistics(reading, MATTERS) if each.feature == "dest"] == [0.95]


def test_where_none_is_known_the_detectors_weights_stand_in() -> None:
    gauge, reading = moved()
    weighted = [each.name for each in reading.by_importance()]
    assert gauge.by_movement(reading, {}) == gauge.by_movement(reading, {"not": 1.0}) == weighted
    assert {each.importance for each in gauge.statistics(reading)} == {None}


def test_a_finding_carries_importances_into_the_ledger_and_its_evidence(tmp_path: Path) -> None:
    world = World(tmp_path, watching=False)
    world.crown(1, replace(BASELINE, importances=MATTERS))
    (finding,) = world.live([Traffic(number, later=6.0) for number in range(10)])
    by_name = {each.feature: each.importance for each in finding.features}
    assert (by_name["hour"], by_name["dest"], by_name["prediction"]) == (0.05, 0.95, None)
    assert e.event_from_document(json.loads(canonical.encode(finding.as_document()))) == finding


def test_a_baseline_keeps_its_importances_and_an_old_one_has_none() -> None:
    baseline = replace(BASELINE, importances=MATTERS)
    assert Baseline.from_document(baseline.as_document()).importances == MATTERS
    assert Baseline.from_document(BASELINE.as_document()).importances == {}
