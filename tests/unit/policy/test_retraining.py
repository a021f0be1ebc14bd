"""Drift is not degradation: a model is retrained when its errors grew, and never on broken data."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from runtime.domain import events as e
from runtime.domain.reports import FeatureStatistic
from runtime.domain.verdict import Action, Verdict
from runtime.policy.due import due_models
from runtime.policy.retraining import verdict, window_opens
from tests.unit.domain.lives import (
    MODEL,
    MONDAY,
    History,
    a_finding,
    a_spec,
    champion,
    digest,
    evaluated,
    refused,
    registered,
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
