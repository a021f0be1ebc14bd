"""What the monitor does with people's answers: it keeps evidence, is silent while snoozed, and takes a new normal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.domain import events as e
from runtime.domain.alarms import MonitoringBudgetSet, TrafficMeasured
from runtime.domain.findings import Answer, Direction, FindingAnswered
from runtime.domain.ids import digest_of
from runtime.monitoring.direction import direction_of
from runtime.monitoring.evidence import LONGEST_LABEL
from runtime.statistics.bins import MAX_UNSEEN
from runtime.statistics.profile import Profile
from tests.unit.domain.lives import MODEL
from tests.unit.monitoring.world import Traffic, World, day

DRIFT, PERFORMANCE = e.FindingKind.DATA_DRIFT, e.FindingKind.PERFORMANCE
OFTEN: dict[str, Any] = {"monitor": {"false_alarm_every": 1000, "repeat_after": "1d"}}


def says(finding: e.FindingOpened, said: Answer, until: int | None = None) -> FindingAnswered:
    return FindingAnswered(
        finding=finding.finding,
        model=MODEL,
        answer=said,
        until=None if until is None else day(until),
        reason="looked at",
    )


def first(world: World, days: Iterator[int], about: e.FindingKind, **change: Any) -> e.FindingOpened:
    """Days with the change, until the monitor finds it; its evidence is stored as the actor stores it."""
    for number in days:
        today = Traffic(number, **change)
        world.tell(world.in_memory(today.decision), world.in_memory(today.outcomes))
        found = [each for each in closed(world, number) if each.about is about]
        if found:
            return found[0]
    raise AssertionError("nothing was found")


def closed(world: World, number: int) -> list[e.FindingOpened]:
    """The day's findings; what they name by digest is in the store."""
    kept: list[bytes] = []
    take = world.monitor.apply

    def apply(entry: Any) -> Any:
        drafts = take(entry)
        kept.extend(world.monitor.evidence)
        return drafts

    world.monitor.apply = apply  # type: ignore[method-assign]
    try:
        found = [event for event in world.end_of(number) if isinstance(event, e.FindingOpened)]
    finally:
        world.monitor.apply = take  # type: ignore[method-assign]
    for document in kept:
        world.store.put(document)
    return found


def quiet(world: World, days: range, **change: Any) -> list[e.FindingOpened]:
    return world.live([Traffic(number, **change) for number in days])


def evidence(world: World, finding: e.FindingOpened) -> dict[str, Any]:
    assert finding.evidence is not None
    content = world.store.get(finding.evidence)
    assert digest_of(content) == finding.evidence
    document: dict[str, Any] = json.loads(content)
    return document


def test_a_finding_names_its_evidence_and_the_ledger_stays_small(tmp_path: Path) -> None:
    world = World(tmp_path, **OFTEN)
    finding = first(world, count(), DRIFT, later=6.0)
    document = evidence(world, finding)
    hour = document["features"][0]
    assert (document["finding"], hour["feature"], hour["direction"]) == (finding.finding, "hour", "up")
    assert document["by_movement"][0] == "hour"
    assert len(hour["labels"]) == len(hour["baseline"]) == len(hour["window"])
    assert sum(hour["baseline"]) == document["baseline_rows"] == 2000
    assert sum(hour["window"]) == document["rows"] > 0
    assert finding.features[0].direction is Direction.UP


def test_new_categories_are_told_by_name_but_not_by_the_thousand(tmp_path: Path) -> None:
    world = World(tmp_path, **OFTEN)
    assert world.watch.features is not None
    for batch in (range(1000, 600, -1), range(600)):
        names = [f"{'x' * 200}{number:04}" for number in batch] + ["LAX"]
        rows = len(names)
        columns = {"hour": np.full(rows, 9.0), "dest": np.array(names, dtype=object), "prediction": np.full(rows, 99.0)}
        world.watch.features.count(columns)
    seen = world.watch.features.unseen
    assert list(seen) == ["dest"]
    assert len(seen["dest"]) == MAX_UNSEEN
    assert next(iter(seen["dest"])).endswith("0000")
    found = closed(world, 0)
    (dest,) = [each for each in evidence(world, found[0])["features"] if each["feature"] == "dest"]
    assert dest["direction"] == "unseen"
    assert 0 < len(dest["unseen"]) <= MAX_UNSEEN
    assert all(len(name) <= LONGEST_LABEL for name in dest["unseen"])


def test_a_snoozed_finding_is_not_told_again_before_its_time(tmp_path: Path) -> None:
    days = count()
    world = World(tmp_path, **OFTEN)
    finding = first(world, days, DRIFT, later=6.0)
    start = next(days)
    world.tell(says(finding, Answer.SNOOZED, until=start + 10))
    again = [each.as_of for each in quiet(world, range(start, start + 14), later=6.0) if each.about is DRIFT]
    assert again
    assert min(again) >= day(start + 10)


def test_a_failed_check_is_snoozed_like_an_alarm(tmp_path: Path) -> None:
    def failed(days: range) -> list[e.FindingOpened]:
        return [each for each in quiet(world, days, lost=0.9) if each.about is e.FindingKind.DATA_QUALITY]

    world = World(tmp_path, monitor={"repeat_after": "1d", "checks": {"missing": 0.5}})
    first_told = failed(range(1))
    assert first_told
    world.tell(says(first_told[0], Answer.SNOOZED, until=6))
    assert [each.as_of for each in failed(range(1, 7))] == [day(6), day(7)]


@pytest.mark.parametrize(("said", "told"), [(Answer.ACCEPTED, False), (Answer.ACKNOWLEDGED, True)])
def test_what_was_accepted_is_the_new_normal_and_leaving_it_is_found(
    said: Answer, *, told: bool, tmp_path: Path
) -> None:
    days = count()
    world = World(tmp_path, **OFTEN)
    finding = first(world, days, DRIFT, later=6.0, rows=400)
    start = next(days)
    world.tell(says(finding, said))
    after = [each for each in quiet(world, range(start, start + 8), later=6.0, rows=400) if each.about is DRIFT]
    assert bool(after) is told
    if said is Answer.ACCEPTED:
        back = quiet(world, range(start + 8, start + 14), rows=400)
        assert next(each.features[0].direction for each in back if each.about is DRIFT) is Direction.DOWN


def test_errors_that_were_accepted_are_the_errors_to_expect(tmp_path: Path) -> None:
    days = count()
    world = World(tmp_path, **OFTEN)
    finding = first(world, days, PERFORMANCE, bias=15.0, rows=400)
    start = next(days)
    world.tell(says(finding, Answer.ACCEPTED))
    assert world.watch.baseline is not None
    assert world.watch.baseline.performance == finding.recent
    assert quiet(world, range(start, start + 8), bias=15.0, rows=400) == []


def test_an_acceptance_of_a_former_champions_finding_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, **OFTEN)
    finding = first(world, count(), DRIFT, later=6.0)
    world.crown(2)
    before = world.watch.features
    world.tell(says(finding, Answer.ACCEPTED))
    assert world.watch.features is before


def test_a_monitor_that_starts_again_ends_with_the_same_new_normal(tmp_path: Path) -> None:
    world = World(tmp_path, **OFTEN)
    finding = first(world, count(), DRIFT, later=6.0)
    world.tell(says(finding, Answer.ACCEPTED))
    again = world.a_monitor()
    for entry in world.entries:
        again.apply(entry)
    mine, theirs = world.watch.features, again.watches[MODEL].features
    assert mine is not None
    assert theirs is not None
    assert mine.profile == theirs.profile


def test_a_budget_moves_the_threshold_and_traffic_is_measured_each_week(tmp_path: Path) -> None:
    world = World(tmp_path)
    quiet(world, range(1))
    assert world.watch.features is not None
    usual = world.watch.features.plan.threshold
    world.tell(MonitoringBudgetSet(false_alarms=4.0, reason="one person on call"))
    quiet(world, range(1, 3))
    assert world.watch.features.plan.threshold == pytest.approx(np.log(16.0)) != usual
    events = [event for number in range(3, 15) for event in _day(world, number)]
    measured = [event for event in events if isinstance(event, TrafficMeasured)]
    assert [event.until for event in measured] == [day(7), day(14)]
    assert measured[-1].rows_a_day == {MODEL: 50.0}


def _day(world: World, number: int) -> list[e.Event]:
    today = Traffic(number)
    world.tell(world.in_memory(today.decision), world.in_memory(today.outcomes))
    return world.end_of(number)


HOURS = np.random.default_rng(7).uniform(6, 22, 4000)
PLACES = np.random.default_rng(7).choice(["LAX", "ORD", "SFO"], 4000).astype(object)


@pytest.mark.parametrize(
    ("values", "direction"),
    [
        (HOURS + 3, Direction.UP),
        (HOURS - 3, Direction.DOWN),
        (np.where(np.arange(4000) % 3, HOURS, np.nan), Direction.MISSING),
        (np.full(4000, 7.0), Direction.CONSTANT),
        (14 + (HOURS - 14) * 0.3, Direction.SHAPE),
        (np.where(np.arange(4000) % 2, PLACES, "JFK"), Direction.UNSEEN),
        (np.where(np.arange(4000) % 2, PLACES, "LAX"), Direction.SHAPE),
        (np.full(4000, "ORD", dtype=object), Direction.CONSTANT),
    ],
    ids=["later", "earlier", "gone", "stuck", "narrower", "a new place", "one place more often", "one place"],
)
def test_a_direction_says_how_a_column_moved(values: Any, direction: Direction) -> None:
    column = HOURS if values.dtype.kind == "f" else PLACES
    profile = Profile.from_columns({"x": column})
    window = profile.count({"x": values}).by_feature()["x"]
    assert direction_of(profile.feature("x"), window) is direction


def test_a_column_that_came_back_is_present() -> None:
    gappy = np.where(np.arange(4000) % 3, HOURS, np.nan)
    profile = Profile.from_columns({"x": gappy})
    assert direction_of(profile.feature("x"), profile.count({"x": HOURS}).values) is Direction.PRESENT
