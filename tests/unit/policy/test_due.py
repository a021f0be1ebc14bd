"""Who is retrained now: by the calendar too, the costliest first where room is short, and never on broken data."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from runtime.domain import events as e
from runtime.domain.checks import Breach, Check
from runtime.domain.findings import Answer, FindingAnswered
from runtime.domain.reports import FeatureStatistic
from runtime.domain.trigger import last_due
from runtime.domain.verdict import Action, Verdict
from runtime.policy.plan import plan
from tests.unit.domain.lives import (
    MODEL,
    MONDAY,
    History,
    a_finding,
    a_spec,
    applied,
    champion,
    declared,
    digest,
)
from tests.unit.policy.test_waves import NAMES, ready, settle

CALENDAR: dict[str, Any] = {"when": ["performance", 'schedule("0 3 * * 1")']}


def closed(until: datetime) -> e.TicksClosed:
    return e.TicksClosed(until=until, ticks=1, decisions=0, outcomes=0)


def started(history: History) -> list[e.RetrainingStarted]:
    return [draft.event for draft in plan(history.state).moves if isinstance(draft.event, e.RetrainingStarted)]


def reached(
    finding: str, action: Action, model: str = MODEL, at: datetime = MONDAY, **numbers: float
) -> e.VerdictReached:
    verdict = Verdict(action=action, reason="so", numbers=numbers)
    return e.VerdictReached(finding=finding, model=model, verdict=verdict, policy=digest("p"), as_of=at)


def test_a_schedule_retrains_by_the_datas_own_calendar_once_each_time() -> None:
    history = History.of(*champion(), spec=a_spec(retrain=CALENDAR))
    assert started(history) == [], "no tick was closed yet"
    history.after(closed(MONDAY + timedelta(hours=2)))
    assert started(history) == [], "trained on data until this Monday"
    history.after(closed(MONDAY + timedelta(hours=3)))
    (event,) = started(history)
    assert event.reason == '1 due as of 2026-03-02; schedule("0 3 * * 1") came on 2026-03-02 03:00'
    assert (event.alarms, event.findings) == (None, None)
    history.after(event, e.RetrainingFinished(batch=event.batch, succeeded=True, reason=""))
    history.after(closed(MONDAY + timedelta(days=6)))
    assert started(history) == []
    history.after(closed(MONDAY + timedelta(days=8)))
    (again,) = started(history)
    assert again.batch != event.batch


def test_a_model_that_is_busy_is_not_scheduled() -> None:
    history = History.of(*champion(), spec=a_spec(retrain=CALENDAR))
    history.after(e.ModelSuspended(model=MODEL, reason=""), closed(MONDAY + timedelta(days=1)))
    assert started(history) == []


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('schedule("0 3 * *")', "five fields of cron"),
        ('schedule("61 3 * * 1")', "five fields of cron"),
        ('schedule("0 0 30 2 *")', "five fields of cron|does not within 50 years"),
        ("weekly", "a schedule such as"),
    ],
)
def test_a_schedule_that_is_none_is_named(written: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        a_spec(retrain={"when": [written]})


def test_what_is_no_schedule_is_never_due() -> None:
    assert last_due("drift", MONDAY) is None


def a_fleet(*weights: float) -> History:
    """Models whose retraining is due, of these weights."""
    history = History().after(applied(a_spec()))
    names = NAMES[: len(weights)]
    for name in names:
        history.after(e.ModelDeclared(model=name, spec="flights", partition={"carrier": name[-2:]}))
        history.after(*ready(name, 1, "first"))
    settle(history)
    for name, weight in zip(names, weights, strict=True):
        found = a_finding(f"finding-{name}", model=name, as_of=MONDAY)
        history.after(found, reached(found.finding, Action.RETRAIN, name, priority=weight))
    return history.after(closed(MONDAY))


def test_without_a_budget_all_that_are_due_are_retrained() -> None:
    (event,) = started(a_fleet(1.0, 2.0, 3.0))
    assert event.models == NAMES[:3]


def test_where_room_is_short_those_go_first_whose_waiting_costs_most() -> None:
    history = a_fleet(1.0, 5.0, 3.0, 2.0)
    history.after(e.RetrainingBudgetSet(models=2, every=timedelta(days=7), reason="one machine"))
    (event,) = started(history)
    assert event.models == (NAMES[1], NAMES[2])
    assert event.reason == ("2 due as of 2026-03-02; 2 more wait: the fleet retrains 2 in 7 days, the costliest first")
    history.after(event, e.RetrainingFinished(batch=event.batch, succeeded=True, reason=""))
    history.after(closed(MONDAY + timedelta(days=6)))
    assert started(history) == [], "there is no room before a week is over"
    history.after(closed(MONDAY + timedelta(days=7)))
    (after,) = started(history)
    assert after.models == (NAMES[0], NAMES[3])


def test_a_retraining_names_its_alarms_and_since_when_errors_grew() -> None:
    history = a_fleet(1.0)
    (event,) = started(history)
    assert event.findings == {NAMES[0]: f"finding-{NAMES[0]}"}
    assert event.alarms == {NAMES[0]: MONDAY - timedelta(days=3)}
    history.after(event)
    assert history.state.batches[event.batch].alarms == event.alarms


def broken(name: str = "finding-2", at: datetime = MONDAY) -> e.FindingOpened:
    gone = FeatureStatistic(feature="hour", log_score=9.0, js=0.9, psi=4.0, missing_rate=0.9)
    return a_finding(name, about=e.FindingKind.DATA_DRIFT, features=(gone,), as_of=at)


def test_data_that_broke_call_off_a_retraining_that_waits() -> None:
    history = History().after(applied(a_spec()), declared(), *champion())
    history.after(a_finding(), reached("finding-1", Action.RETRAIN, priority=1.0))
    assert history.model.due == "finding-1"
    history.after(broken(), reached("finding-2", Action.CALL_A_PERSON), closed(MONDAY))
    stopped = history.state.model(MODEL)
    assert (stopped.due, stopped.broken) == (None, "finding-2")
    assert started(history) == []


def test_late_rows_break_no_column_and_call_nothing_off() -> None:
    history = History().after(applied(a_spec()), declared(), *champion())
    history.after(a_finding(), reached("finding-1", Action.RETRAIN))
    late = Breach(check=Check.FRESHNESS, value=2.0, limit=1.0, told="the newest row is 2 days old")
    found = a_finding("finding-2", about=e.FindingKind.DATA_QUALITY).model_copy(update={"breaches": (late,)})
    history.after(found, reached("finding-2", Action.CALL_A_PERSON), closed(MONDAY))
    assert (history.model.due, history.model.broken) == ("finding-1", None)
    assert len(started(history)) == 1


def test_broken_data_hold_a_schedule_until_somebody_says_that_they_are_repaired() -> None:
    history = History.of(*champion(), spec=a_spec(retrain=CALENDAR))
    history.after(broken(), reached("finding-2", Action.CALL_A_PERSON), closed(MONDAY + timedelta(days=7, hours=4)))
    assert started(history) == []
    answer = FindingAnswered(finding="finding-2", model=MODEL, answer=Answer.RESOLVED, reason="the feed is repaired")
    history.record(answer, "user:ada")
    assert len(started(history)) == 1
