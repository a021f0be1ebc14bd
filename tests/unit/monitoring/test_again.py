"""A ledger's records through the monitor again find what was found, and with other settings what would have been."""

from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from runtime.domain import events as e
from runtime.domain.checks import Checks
from runtime.domain.watched import Monitoring
from runtime.monitoring.again import Again, Share, again
from runtime.monitoring.fold import Monitor
from runtime.monitoring.segments import decisions_of, outcomes_of
from runtime.monitoring.shards import Shard
from tests.unit.domain.lives import MODEL
from tests.unit.monitoring.world import Traffic, World

DAYS = 30
Lived: TypeAlias = tuple[World, list[e.FindingOpened]]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, list[e.FindingOpened]]:
    """Hours are later from day 12 on, errors larger from day 20 on; what the live monitor found."""
    world, found = World(tmp_path_factory.mktemp("lived")), []
    for at in range(DAYS):
        today = Traffic(at, later=6.0 if at >= 12 else 0.0, bias=30.0 if at >= 20 else 0.0)
        world.hand_in(today.decision, today.outcomes)
        found += [event for event in world.end_of(at) if isinstance(event, e.FindingOpened)]
    return world, found


def folded(world: World, share: Shard = Share(), **tried: Monitoring) -> Again:  # noqa: B008 - frozen
    monitor = Monitor(
        world.store.get,
        lambda digest: decisions_of(world.store, digest, world.key_of, share.owns),
        lambda digest: outcomes_of(world.store, digest, share.owns),
        share,
    )
    return again(world.entries, monitor, tried)


def test_the_same_settings_find_the_same(lived: Lived) -> None:
    world, live = lived
    assert {each.about for each in live} >= {e.FindingKind.DATA_DRIFT, e.FindingKind.PERFORMANCE}
    found = folded(world)
    assert found.findings == live
    assert found.unreadable == 0


def test_settings_that_are_tried_find_what_they_would_have_found(lived: Lived) -> None:
    world, live = lived
    often = folded(world, flights=Monitoring(repeat_after=timedelta(days=2))).findings
    drifts = [each for each in often if each.about is e.FindingKind.DATA_DRIFT]
    assert len(drifts) > len([each for each in live if each.about is e.FindingKind.DATA_DRIFT])
    limits = Checks.model_validate({"within": {"dest": ["LAX"]}})
    bounded = folded(world, flights=Monitoring(checks=limits)).findings
    assert e.FindingKind.USE in {each.about for each in bounded}
    assert e.FindingKind.USE not in {each.about for each in live}
    assert folded(world, another=Monitoring(checks=limits)).findings == live


def test_workers_share_the_models_and_find_what_one_finds(lived: Lived) -> None:
    world, live = lived
    shares = [folded(world, Share(at, 3)).findings for at in range(3)]
    assert sorted(map(len, shares)) == [0, 0, len(live)]
    assert [each for share in shares for each in share] == live


def test_only_models_that_were_chosen_are_looked_at(lived: Lived) -> None:
    world, live = lived
    assert folded(world, Share(chosen=frozenset([MODEL]))).findings == live
    assert folded(world, Share(chosen=frozenset(["another"]))).findings == []


def test_segments_that_are_gone_are_counted_and_stop_nothing(lived: Lived) -> None:
    world, live = lived
    segments = [entry.event for entry in world.entries if isinstance(entry.event, e.SegmentSealed)]
    gone = [Path(world.store.path_of(segment.digest)) for segment in segments[:4]]
    for path in gone:
        path.rename(path.with_suffix(".gone"))
    found = folded(world)
    for path in gone:
        path.with_suffix(".gone").rename(path)
    assert found.unreadable == 4
    assert [each.about for each in found.findings] == [each.about for each in live]
