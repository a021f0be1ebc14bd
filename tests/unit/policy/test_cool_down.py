"""A challenger that has just won is given time: a new alarm within ``retrain.cool_down`` starts no retraining."""

from datetime import datetime, timedelta

import pytest

from runtime.domain import events as e
from runtime.domain.reports import FeatureStatistic
from runtime.domain.verdict import Action, Verdict
from runtime.policy.retraining import verdict
from tests.unit.domain.lives import (
    FULL,
    MONDAY,
    History,
    a_finding,
    a_spec,
    champion,
    promoted,
    rolled_back,
    servable,
    started,
)

FOUR_WEEKS = timedelta(days=28)


def crowned(version: int, at: datetime | None) -> tuple[e.Event, ...]:
    return *servable(version), started(version, FULL), promoted(version, as_of=at)


def answer(*events: e.Event, at: datetime, cool_down: str = "28d", finding: e.FindingOpened | None = None) -> Verdict:
    spec = a_spec(retrain={"cool_down": cool_down})
    found = finding or a_finding(recent=15.0, as_of=at)
    return verdict(found, History.of(*events, spec=spec).model, spec)


SECOND = (*champion(1), *crowned(2, MONDAY))


def test_a_challenger_that_was_promoted_is_given_time() -> None:
    found = answer(*SECOND, at=MONDAY + timedelta(days=3))
    assert found.action is Action.NOTHING
    assert found.reason == "cooling down: version 2 is the champion since 2026-03-02"
    assert found.numbers["mae_ratio"] == 1.5


@pytest.mark.parametrize(
    ("after", "action"),
    [
        (timedelta(0), Action.NOTHING),
        (FOUR_WEEKS - timedelta(microseconds=1), Action.NOTHING),
        (FOUR_WEEKS, Action.RETRAIN),
    ],
)
def test_its_time_ends(after: timedelta, action: Action) -> None:
    assert answer(*SECOND, at=MONDAY + after).action is action


def test_a_first_version_is_retrained_as_soon_as_its_errors_grow() -> None:
    assert answer(*champion(1), at=MONDAY + timedelta(days=1)).action is Action.RETRAIN


def test_each_promotion_starts_the_time_anew() -> None:
    third = (*SECOND, *crowned(3, MONDAY + timedelta(days=20)))
    assert answer(*third, at=MONDAY + timedelta(days=40)).action is Action.NOTHING
    assert answer(*third, at=MONDAY + timedelta(days=48)).action is Action.RETRAIN


def test_the_spec_may_give_no_time() -> None:
    assert answer(*SECOND, at=MONDAY, cool_down="0d").action is Action.RETRAIN
    assert a_spec().retrain.cool_down == timedelta(0)


def test_a_promotion_without_a_moment_of_the_data_starts_no_time() -> None:
    assert answer(*champion(1), *crowned(2, None), at=MONDAY).action is Action.RETRAIN


def test_the_first_version_brought_back_is_given_no_time() -> None:
    assert answer(*SECOND, rolled_back(2, to=1), at=MONDAY + timedelta(days=3)).action is Action.RETRAIN


def test_broken_data_call_a_person_all_the_same() -> None:
    gone = FeatureStatistic(feature="temp", log_score=5.0, js=0.4, psi=2.0, missing_rate=0.8)
    drift = a_finding(about=e.FindingKind.DATA_DRIFT, features=(gone,))
    assert answer(*SECOND, at=MONDAY, finding=drift).action is Action.CALL_A_PERSON
