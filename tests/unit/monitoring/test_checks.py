"""Failed checks as findings: quality of data, latency, errors, callers and boundaries, through the monitor itself."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.domain import events as e
from runtime.domain.checks import Breach, Check
from runtime.domain.decision import Decision
from runtime.domain.verdict import Action
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.checking import Checking
from runtime.policy.retraining import verdict
from runtime.statistics.bins import NumericBins
from tests.unit.domain.lives import MODEL, a_spec
from tests.unit.monitoring.world import BASELINE, DESTINATIONS, Traffic, World, day

CHECKED = {e.FindingKind.DATA_QUALITY, e.FindingKind.SERVICE, e.FindingKind.USE}
BOUNDED = Baseline(BASELINE.features, BASELINE.errors, BASELINE.performance, bounds={"hour": (6.0, 22.0)})


def a_world(folder: Path, baseline: Baseline = BASELINE, **checks: object) -> World:
    world = World(folder, watching=False, monitor={"checks": checks} if checks else {})
    world.crown(1, baseline)
    return world


def asked(number: int, **changes: Any) -> Decision:
    """A day's questions, with some of the decision's fields changed."""
    return replace(Traffic(number).decision, **changes)


def findings_on(world: World, number: int, *decisions: Decision) -> list[e.FindingOpened]:
    """What the checks found in a day of these decisions, as replicas seal them."""
    world.hand_in(*decisions)
    return [each for each in world.end_of(number) if isinstance(each, e.FindingOpened) and each.about in CHECKED]


def the_breach(found: list[e.FindingOpened]) -> Breach:
    (finding,) = found
    assert finding.breaches is not None
    (breach,) = finding.breaches
    return breach


def hours(value: float) -> tuple[list[float | None], ...]:
    return ([value] * 50,)


def test_ordinary_days_fail_no_check(tmp_path: Path) -> None:
    world = a_world(tmp_path, BOUNDED, volume=10.0, stale_after="2d", latency_p99_ms=50.0, constant=500, ahead=0.1)
    for number in range(30):
        assert findings_on(world, number, Traffic(number).decision) == []


def test_a_column_that_goes_missing_is_broken_data_and_calls_a_person(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    found = findings_on(world, 0, asked(0, numbers=hours(float("nan"))))
    breach = the_breach(found)
    assert (breach.check, breach.of, breach.value, breach.limit) == (Check.MISSING, "hour", 1.0, 0.9)
    answer = verdict(found[0], world.monitor.state.model(MODEL), a_spec())
    assert (answer.action, answer.reason) == (Action.CALL_A_PERSON, f"hour {breach.told}")


def test_what_lasts_is_told_once_within_repeat_after(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    told = [bool(findings_on(world, at, asked(at, numbers=hours(float("nan"))))) for at in range(40)]
    assert [at for at, each in enumerate(told) if each] == [0, 28]


def test_a_few_rows_are_no_finding(tmp_path: Path) -> None:
    few = Traffic(0, rows=10).decision
    assert findings_on(a_world(tmp_path), 0, replace(few, numbers=([float("nan")] * 10,))) == []


def test_categories_that_training_never_saw_are_found(tmp_path: Path) -> None:
    breach = the_breach(findings_on(a_world(tmp_path), 0, asked(0, texts=(["XXX"] * 50,))))
    assert (breach.check, breach.of, breach.value) == (Check.UNSEEN, "dest", 1.0)


def test_numbers_beyond_what_training_saw_are_found(tmp_path: Path) -> None:
    breach = the_breach(findings_on(a_world(tmp_path, BOUNDED), 0, asked(0, numbers=hours(600.0))))
    assert (breach.check, breach.of, breach.value) == (Check.OUT_OF_RANGE, "hour", 1.0)


def test_infinities_are_found(tmp_path: Path) -> None:
    breach = the_breach(findings_on(a_world(tmp_path), 0, asked(0, numbers=hours(float("inf")))))
    assert (breach.check, breach.of, breach.value) == (Check.INFINITE, "hour", 1.0)


def test_a_feature_that_stands_still_over_ticks_is_found(tmp_path: Path) -> None:
    world = a_world(tmp_path, constant=120)
    assert findings_on(world, 0, asked(0, numbers=hours(12.0))) == []
    assert findings_on(world, 1, asked(1, numbers=hours(12.0))) == []
    breach = the_breach(findings_on(world, 2, asked(2, numbers=hours(12.0))))
    assert (breach.check, breach.of, breach.value) == (Check.CONSTANT, "hour", 150.0)


def test_rows_that_are_sent_again_and_again_are_found(tmp_path: Path) -> None:
    today = Traffic(0).decision
    breach = the_breach(findings_on(a_world(tmp_path, duplicate=0.5), 0, today, today, today))
    assert breach.check is Check.DUPLICATE
    assert breach.value == pytest.approx(100 / 150)


def test_a_model_that_nobody_asks_any_more_is_stale(tmp_path: Path) -> None:
    world = a_world(tmp_path, stale_after="2d")
    findings_on(world, 0, Traffic(0).decision)
    assert findings_on(world, 1) == []
    breach = the_breach(findings_on(world, 2))
    assert (breach.check, breach.value) == (Check.FRESHNESS, timedelta(days=3).total_seconds())


def test_a_tick_of_far_fewer_rows_than_usual_is_found(tmp_path: Path) -> None:
    world = a_world(tmp_path, volume=4.0)
    for number in range(7):
        assert findings_on(world, number, Traffic(number).decision) == []
    breach = the_breach(findings_on(world, 7, Traffic(7, rows=5).decision))
    assert (breach.check, breach.value, breach.told) == (Check.VOLUME, 10.0, "5 rows, where 50 are usual")


def test_rows_of_a_time_to_come_tell_of_a_wrong_clock(tmp_path: Path) -> None:
    world = a_world(tmp_path, ahead=0.1)
    breach = the_breach(findings_on(world, 0, asked(0, event_time=day(3))))
    assert (breach.check, breach.value) == (Check.CLOCK, 1.0)


def test_slow_answers_are_found(tmp_path: Path) -> None:
    world = a_world(tmp_path, latency_p99_ms=50.0)
    one = Traffic(0, rows=1).decision
    slow = [replace(one, decision_id=f"{at}", latency_us=400_000 if at < 5 else 800) for at in range(200)]
    found = findings_on(world, 0, *slow)
    assert found[0].about is e.FindingKind.SERVICE
    assert the_breach(found).value == pytest.approx(400, rel=0.1)


def test_answers_that_are_no_number_or_refused_are_found(tmp_path: Path) -> None:
    found = findings_on(a_world(tmp_path), 0, asked(0, flags=("@0-24 refused",)))
    assert (found[0].about, the_breach(found).check, the_breach(found).value) == (
        e.FindingKind.SERVICE,
        Check.ERRORS,
        0.5,
    )


def test_a_caller_who_never_asked_in_the_first_ticks_is_found(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    for number in range(7):
        assert findings_on(world, number, Traffic(number).decision) == []
    found = findings_on(world, 7, asked(7, caller="stranger"))
    assert (found[0].about, the_breach(found).of) == (e.FindingKind.USE, "stranger")
    assert findings_on(world, 8, asked(8, caller="stranger")) == [], "it was told"


def test_a_caller_whom_the_spec_does_not_name_is_found_at_once(tmp_path: Path) -> None:
    world = a_world(tmp_path, callers=["planning"])
    assert findings_on(world, 0, Traffic(0).decision) == []
    assert the_breach(findings_on(world, 1, asked(1, caller="sales"))).of == "sales"


def test_a_row_outside_the_approved_boundaries_is_found(tmp_path: Path) -> None:
    world = a_world(tmp_path, within={"dest": ["LAX", "ORD"], "hour": {"low": 0, "high": 24}})
    texts = (["LAX"] * 49 + ["SFO"],)
    found = findings_on(world, 0, asked(0, texts=texts))
    assert (found[0].about, the_breach(found).of, the_breach(found).value) == (e.FindingKind.USE, "dest", 1.0)
    assert DESTINATIONS[2] in the_breach(found).told


def test_a_check_is_turned_off_by_a_share_of_one(tmp_path: Path) -> None:
    world = a_world(tmp_path, missing="100%")
    assert findings_on(world, 0, asked(0, numbers=hours(float("nan")))) == []


def test_what_was_written_down_goes_on_as_if_it_had_never_been(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    for number in range(7):
        findings_on(world, number, Traffic(number).decision)
    world.hand_in(asked(7, caller="stranger"))
    before = world.watch.checking
    assert before is not None
    again = Checking(before.profile, before.bounds, before.limits)
    again.restore(before.as_document())
    assert (again.facts, again.habits) == (before.facts, before.habits)
    assert again.close(None, day(8)) == before.close(None, day(8))


def test_a_finding_of_checks_survives_the_ledger(tmp_path: Path) -> None:
    (found,) = findings_on(a_world(tmp_path), 0, asked(0, numbers=hours(float("inf"))))
    assert e.event_from_document(found.as_document()) == found
    assert found.log_evidence == pytest.approx(np.log(100))
    assert isinstance(BASELINE.features.feature("hour").bins, NumericBins)
