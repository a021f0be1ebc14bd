"""Monitors and policies: other thresholds from the entry of the approval on, with the evidence there is."""

from __future__ import annotations

import math
from pathlib import Path

from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.domain.policy_document import PolicyDocument
from tests.unit.monitoring.world import Traffic, World

DEAF = PolicyDocument.model_validate(
    {"kind": "policy", "name": "deaf", "about": "a law", "monitor": {"false_alarm_every": 2**50, "recent": 60}}
)


def thresholds(world: World) -> set[float]:
    gauges = (world.watch.features, world.watch.errors)
    return {round(gauge.plan.threshold, 6) for gauge in gauges if gauge is not None}


def test_a_policy_that_is_approved_sets_the_thresholds_of_models_that_are_watched_already(tmp_path: Path) -> None:
    world = World(tmp_path, monitor={"false_alarm_every": 1000})
    world.live([Traffic(0), Traffic(1)])
    assert thresholds(world) == {round(math.log(1000), 6)}
    features = world.watch.features
    assert features is not None
    before = features.state
    document = DEAF.as_document()
    world.tell(e.PolicyProposed(name="deaf", digest=DEAF.digest, document=document, reason="quiet"))
    assert thresholds(world) == {round(math.log(1000), 6)}, "a proposal decides nothing"
    agreed = e.PolicyApproved(name="deaf", digest=DEAF.digest, reason="yes")
    assert world.monitor.apply(world._entry(Draft.fresh(agreed, "user:bob"))) == []
    assert thresholds(world) == {round(50 * math.log(2), 6)}
    assert features.state == before, "evidence is kept"
    assert world.watch.recent.maxlen == 60
    assert len(world.watch.recent) == 30
