"""Drift is not degradation: a model is retrained when its errors grew, and never on broken data."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from runtime.domain import events as e
from runtime.domain.checks import Breach, Check
from runtime.domain.findings import Answer, Direction, FindingAnswered
from runtime.domain.reports import FeatureStatistic, WindowPerformance
from runtime.domain.verdict import Action, Verdict
from runtime.policy.due import due_models
from runtime.policy.plan import plan
from runtime.policy.retraining import verdict, window_opens
from tests.unit.domain.lives import (
    FULL,
    MODEL,
    MONDAY,
    History,
    a_finding,
    a_spec,
    champion,
    digest,
    evaluated,
    promoted,
    refused,
    registered,
    revoked,
    servable,
    started,
)

DRIFT, PERFORMANCE = e.FindingKind.DATA_DRIFT, e.FindingKind.PERFORMANCE


def statistic(missing_rate: float, psi: float, feature: str = "temp") -> FeatureStatistic:
    return FeatureStatistic(feature=feature, log_score=5.0, js=0.4, psi=psi, missing_rate=missing_rate)


def answer(finding: e.FindingOpened, *events: e.Event, **changes: Any) -> Verdict:
    spec = a_spec(**changes)
    return verdict(finding, History.of(*champion(), *events, spec=spec).model, spec)


def test_errors_that_grew_call_for_retraining() -> None:
    found = answer(a_finding(recent=15.0))
    assert found.action is Action.RETRAIN
    assert found.reason == "recent MAE 15.00 is 1.50 times the baseline's, at or above 1.10"
    assert found.numbers["mae_ratio"] == 1.5
    assert (found.numbers["log_evidence"], found.numbers["log_threshold"]) == (12.0, 9.2)


def test_drift_that_hurts_nothing_is_benign() -> None:
    found = answer(a_finding(about=DRIFT, recent=10.5))
    assert found.action is Action.NOTHING
    assert found.reason == "benign: recent MAE 10.50 is 1.05 times the baseline's, below 1.10"


@pytest.mark.parametrize(("when", "action"), [(["drift"], Action.RETRAIN), (["performance"], Action.NOTHING)])
def test_drift_retrains_only_where_the_policy_says_so(when: list[str], action: Action) -> None:
    assert answer(a_finding(about=DRIFT), retrain={"when": when}).action is action


def test_without_outcomes_there_is_no_sign_that_errors_grew() -> None:
    found = answer(a_finding(about=DRIFT, recent=None))
    assert (found.action, found.reason) == (Action.NOTHING, "no outcomes yet, so no sign that errors grew")


def test_a_column_that_went_missing_calls_a_person() -> None:
    found = answer(a_finding(about=DRIFT, features=(statistic(0.8, 2.0),)))
    assert found.action is Action.CALL_A_PERSON
    assert found.reason.startswith("temp is missing in 80% of rows (PSI 2.00): broken upstream")


@pytest.mark.parametrize(
    "features",
    [
        (statistic(0.5, 2.0),),
        (statistic(0.8, 1.0),),
        (*(statistic(0.0, 0.3, name) for name in "abc"), statistic(0.9, 2.0)),
    ],
    ids=["half of it is there", "it was missing before", "it is not what moved most"],
)
def test_a_column_that_is_merely_gappy_calls_nobody(features: tuple[FeatureStatistic, ...]) -> None:
    assert answer(a_finding(about=DRIFT, features=features)).action is not Action.CALL_A_PERSON


def retrain_reached(finding: str = "finding-0") -> e.VerdictReached:
    verdict = Verdict(action=Action.RETRAIN, reason="so")
    return e.VerdictReached(finding=finding, model=MODEL, verdict=verdict, policy=digest("p"), as_of=MONDAY)


def retraining_started(*models: str) -> e.RetrainingStarted:
    return e.RetrainingStarted(batch="b", spec="flights", models=models or (MODEL,), as_of=MONDAY, reason="")


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ((a_finding("finding-0"), retrain_reached()), "a retraining is under way already"),
        ((retraining_started(),), "a retraining is under way already"),
        ((*servable(2), started(2)), "version 2 is being rolled out already"),
        (
            (registered(2), evaluated(2, passed=False), refused(2)),
            "snoozed until 2026-03-30: the last challenger did not win",
        ),
    ],
    ids=["due", "in a batch", "under rollout", "snoozed"],
)
def test_a_model_that_is_busy_or_snoozed_is_left_alone(events: tuple[e.Event, ...], reason: str) -> None:
    found = answer(a_finding(), *events)
    assert (found.action, found.reason) == (Action.NOTHING, reason)


def test_a_snooze_ends() -> None:
    later = a_finding(as_of=MONDAY + timedelta(days=28))
    assert answer(later, registered(2), evaluated(2, passed=False), refused(2)).action is Action.RETRAIN


@pytest.mark.parametrize(
    ("since", "opens"),
    [
        (MONDAY, MONDAY),
        (MONDAY + timedelta(microseconds=1), MONDAY + timedelta(days=7)),
        (MONDAY + timedelta(days=6, hours=23), MONDAY + timedelta(days=7)),
        (MONDAY - timedelta(hours=1), MONDAY),
    ],
)
def test_a_weekly_window_opens_on_mondays(since: datetime, opens: datetime) -> None:
    assert window_opens(since, timedelta(days=7)) == opens
    assert window_opens(since, timedelta(days=7)).weekday() == 0


def due(*events: e.Event, ticks_until: datetime) -> dict[str, list[str]]:
    history = History.of(*champion(), a_finding(), retrain_reached("finding-1"), *events)
    history.after(e.TicksClosed(until=ticks_until, ticks=1, decisions=0, outcomes=0))
    return {spec: [model.name for model in models] for spec, models in due_models(history.state).items()}


def test_a_model_is_due_once_its_window_has_opened() -> None:
    assert due(ticks_until=MONDAY - timedelta(days=1)) == {}
    assert due(ticks_until=MONDAY) == {"flights": [MODEL]}


@pytest.mark.parametrize(
    "event", [retraining_started(), e.ModelSuspended(model=MODEL, reason=""), e.ModelRetired(model=MODEL, reason="")]
)
def test_a_model_that_is_retraining_suspended_or_retired_is_not_due(event: e.Event) -> None:
    assert due(event, ticks_until=MONDAY) == {}


# --- what is broken, what is chance, and what goes back -------------------------------------------------


def moved(direction: Direction, js: float, feature: str = "hour", psi: float = 3.0) -> FeatureStatistic:
    return FeatureStatistic(feature=feature, log_score=9.0, js=js, psi=psi, missing_rate=0.0, direction=direction)


@pytest.mark.parametrize(
    ("statistic", "says"),
    [
        (moved(Direction.CONSTANT, 0.8), "hour became constant (PSI 3.00): broken upstream"),
        (moved(Direction.UNSEEN, 0.5), "hour is full of names never seen before"),
        (
            moved(Direction.UP, 0.95),
            "hour lies elsewhere altogether (0.95 of 1 bit apart), as after a change of its unit",
        ),
    ],
)
def test_a_column_that_is_no_longer_what_it_was_calls_a_person(statistic: FeatureStatistic, says: str) -> None:
    found = answer(a_finding(about=DRIFT, features=(statistic,)))
    assert (found.action, says in found.reason) == (Action.CALL_A_PERSON, True), found.reason


@pytest.mark.parametrize(
    "statistic",
    [moved(Direction.UNSEEN, 0.1), moved(Direction.UP, 0.6), moved(Direction.CONSTANT, 0.8, feature="prediction")],
    ids=["a few new names", "it moved", "what the model put out"],
)
def test_a_world_that_changed_is_not_a_column_that_broke(statistic: FeatureStatistic) -> None:
    assert answer(a_finding(about=DRIFT, features=(statistic,))).action is not Action.CALL_A_PERSON


def called(finding: str = "finding-0", at: datetime = MONDAY) -> tuple[e.Event, ...]:
    gone = a_finding(finding, about=DRIFT, features=(statistic(0.9, 3.0),), as_of=at)
    reached = Verdict(action=Action.CALL_A_PERSON, reason="so")
    return gone, e.VerdictReached(finding=finding, model=MODEL, verdict=reached, policy=digest("p"), as_of=at)


def test_errors_that_grew_on_broken_data_retrain_nothing_until_somebody_repairs_them() -> None:
    found = answer(a_finding(as_of=MONDAY + timedelta(days=3)), *called())
    assert found.action is Action.NOTHING
    assert found.reason == (
        "its data are broken upstream since 2026-03-02: a person is called to finding finding-0, "
        "and nothing is learnt from them"
    )
    repaired = FindingAnswered(finding="finding-0", model=MODEL, answer=Answer.RESOLVED, reason="the feed is back")
    assert answer(a_finding(as_of=MONDAY + timedelta(days=3)), *called(), repaired).action is Action.RETRAIN
    assert answer(a_finding(as_of=MONDAY + timedelta(days=28)), *called()).action is Action.RETRAIN, "not told again"


def test_a_verdict_that_calls_a_retraining_off_says_so() -> None:
    waits = (a_finding("finding-0"), retrain_reached())
    found = answer(a_finding(about=DRIFT, features=(statistic(0.9, 3.0),)), *waits)
    assert found.reason.endswith("; the retraining that was due because of finding finding-0 is called off")


def test_where_inputs_drifted_a_few_rows_that_may_err_by_chance_retrain_nothing() -> None:
    found = answer(a_finding(about=DRIFT, recent=13.0), retrain={"when": ["drift"]})
    assert found.action is Action.NOTHING
    assert found.reason.endswith("which 30 rows may give by chance: 13.65 would be two standard errors above")
    assert answer(a_finding(about=DRIFT, recent=13.7), retrain={"when": ["drift"]}).action is Action.RETRAIN
    assert answer(a_finding(recent=13.0)).action is Action.RETRAIN, "of errors the detector is sure"


def test_a_verdict_says_what_waiting_costs() -> None:
    spec = a_spec(risk_tier="medium")
    found = verdict(a_finding(), History.of(*champion(), spec=spec).model, spec, rows_a_day=200.0)
    assert found.numbers["rows_a_day"] == 200
    assert found.numbers["priority"] == pytest.approx(0.5 * 3 * 200)


WATCHED = {"guardrail": {"watch": "14d"}}
SECOND = (*champion(1), *servable(2), started(2, FULL), promoted(2, as_of=MONDAY))


def back(finding: e.FindingOpened, *events: e.Event, **changes: Any) -> Verdict:
    spec = a_spec(**(WATCHED | changes))
    history = History.of(*SECOND, *events, spec=spec)
    return verdict(finding.model_copy(update={"version": 2}), history.model, spec)


def test_a_champion_that_errs_soon_after_its_promotion_goes_back_to_the_last_good_one() -> None:
    found = back(a_finding(as_of=MONDAY + timedelta(days=13)))
    assert found.action is Action.ROLL_BACK
    assert found.reason == (
        "MAE is 1.50 times what its own test found, at or above 1.10: version 2 is the champion since 2026-03-02 and "
        "still watched; back to version 1"
    )


@pytest.mark.parametrize(
    ("finding", "events", "changes"),
    [
        (a_finding(as_of=MONDAY + timedelta(days=14)), (), {}),
        (a_finding(as_of=MONDAY + timedelta(days=1)), (), {"guardrail": {}}),
        (a_finding(as_of=MONDAY + timedelta(days=1)), (revoked(1),), {}),
        (a_finding(as_of=MONDAY + timedelta(days=1), recent=10.5), (), {}),
    ],
    ids=["watched no more", "never watched", "the former may not serve", "it does not err more"],
)
def test_nothing_goes_back_without_a_reason_and_a_place(
    finding: e.FindingOpened, events: tuple[e.Event, ...], changes: dict[str, Any]
) -> None:
    assert back(finding, *events, **changes).action is not Action.ROLL_BACK


def test_answers_that_fail_soon_after_a_promotion_go_back_too() -> None:
    failed = Breach(check=Check.ERRORS, value=0.3, limit=0.05, told="30% of rows failed")
    found = a_finding(about=e.FindingKind.SERVICE, recent=None).model_copy(update={"breaches": (failed,)})
    assert back(found).action is Action.ROLL_BACK
    assert answer(found).action is Action.CALL_A_PERSON


def test_the_operator_takes_the_model_back_and_its_entry_says_why() -> None:
    history = History.of(*SECOND, spec=a_spec(**WATCHED))
    found = a_finding(as_of=MONDAY + timedelta(days=1)).model_copy(update={"version": 2})
    said = verdict(found, history.model, a_spec(**WATCHED))
    history.after(found)
    history.after(
        e.VerdictReached(finding=found.finding, model=MODEL, verdict=said, policy=digest("p"), as_of=found.as_of)
    )
    (move,) = plan(history.state).moves
    assert isinstance(move.event, e.RolledBack)
    assert (move.event.version, move.event.to) == (2, 1)
    assert said.reason in move.event.reason
    history.after(move.event)
    assert (history.model.champion, plan(history.state).settled) == (1, True)


def test_errors_that_lie_one_way_are_told_to_a_person_where_the_spec_asks_for_it() -> None:
    offset = WindowPerformance(rows=30, mae=15.0, bias=14.0)
    found = a_finding().model_copy(update={"recent": offset})
    said = answer(found, retrain={"recalibrate": "call_a_person"})
    assert said.action is Action.RECALIBRATE
    assert said.reason.endswith("nearly all of it is an offset of 14.00: to be recalibrated by a person")
    assert answer(found).action is Action.RETRAIN
    assert answer(a_finding(), retrain={"recalibrate": "call_a_person"}).action is Action.RETRAIN
