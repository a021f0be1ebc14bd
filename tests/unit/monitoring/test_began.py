"""When a change began, and what it looks like: rows from before it do not blur it."""

from pathlib import Path

from runtime.domain.findings import Direction
from tests.unit.monitoring.world import Traffic, World, day


def test_a_tick_that_alone_raises_the_alarm_is_where_the_change_began(tmp_path: Path) -> None:
    world = World(tmp_path)
    calm = [Traffic(number, later=0.7) for number in range(6)]  # evidence rises a little, as it may by chance
    assert world.live(calm) == []
    assert world.watch.features is not None
    rising = world.watch.features.since
    assert rising is not None
    assert rising < day(6)
    (found,) = [each for each in world.live([Traffic(6, lost=0.9)]) if each.features[0].feature == "hour"]
    assert found.since == day(6)
    assert found.features[0].direction is Direction.MISSING
    assert found.features[0].missing_rate == 0.9
