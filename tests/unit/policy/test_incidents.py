"""One cause, one finding: a column that breaks in many models at once calls one person, and retrains nobody."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from scipy.stats import binom

from runtime.domain import events as e
from runtime.domain.findings import Answer, Direction, FindingAnswered
from runtime.domain.grant import Grant, SignedGrant
from runtime.domain.model_state import FindingState
from runtime.domain.records import replace
from runtime.domain.reports import FeatureStatistic
from runtime.domain.verdict import Action
from runtime.policy.incidents import LEAST_MODELS, log_chance
from runtime.policy.reactions import reactions
from tests.unit.domain.lives import MONDAY, History, a_finding, a_spec, declared, registered

DRIFT = e.FindingKind.DATA_DRIFT


def name(number: int) -> str:
    return f"flight-time-{number:03d}"


def unsigned(grant: Grant) -> SignedGrant:
    raise AssertionError(f"no grant was expected: {grant}")


def a_fleet(size: int, **spec: object) -> History:
    """So many models with a champion each, of one source."""
    history = History.of(spec=a_spec(retrain={"when": ["drift", "performance"]}) if not spec else a_spec(**spec))
    for number in range(size):
        history.after(declared(name(number)), registered(1, name(number)))
        model = history.state.models[name(number)]
        history.state.put(replace(model, champion=1))
    return history


def alarm(
    number: int,
    feature: str = "hour",
    direction: Direction = Direction.MISSING,
    about: e.FindingKind = DRIFT,
    days: float = 0,
) -> e.FindingOpened:
    moved = FeatureStatistic(feature=feature, log_score=12, js=0.5, psi=0.4, missing_rate=0.4, direction=direction)
    return a_finding(
        f"{feature}-{direction}-{about}-{number}-{days}",
        about,
        features=(moved,),
        as_of=MONDAY + timedelta(days=days),
        model=name(number),
    )


def told(history: History, *alarms: e.FindingOpened) -> list[e.Event]:
    """What the governor records after each alarm."""
    found: list[e.Event] = []
    for opened in alarms:
        for draft in reactions(history.state, history.record(opened), unsigned):
            history.record(draft.event)
            found.append(draft.event)
    return found


def incidents(events: list[e.Event]) -> list[e.IncidentOpened]:
    return [event for event in events if isinstance(event, e.IncidentOpened)]


def test_a_column_that_breaks_in_two_hundred_models_is_one_incident_and_no_retraining() -> None:
    history = a_fleet(200)
    events = told(history, *(alarm(number) for number in range(200)))
    (incident,) = incidents(events)
    assert (incident.feature, incident.direction, incident.source) == ("hour", Direction.MISSING, "data:load")
    assert incident.verdict.action is Action.CALL_A_PERSON
    assert "models that read hour alarmed on it at once (it went missing)" in incident.verdict.reason
    assert incident.log_chance < math.log(1e-6)
    assert all(finding.incident == incident.incident for finding in history.state.findings.values())
    assert len(history.state.incidents[incident.incident].models) == 200
    assert [model.name for model in history.state.models.values() if model.due is not None] == []


def test_the_same_alarms_of_different_columns_or_directions_are_no_incident() -> None:
    kinds = [("hour", Direction.UP), ("hour", Direction.DOWN), ("dest", Direction.SHAPE), ("hour", Direction.MISSING)]
    events = told(a_fleet(20), *(alarm(number, *kinds[number % 4]) for number in range(16)))
    assert incidents(events) == []


def test_alarms_that_come_one_after_another_are_no_incident() -> None:
    assert incidents(told(a_fleet(20), *(alarm(number, days=2 * number) for number in range(20)))) == []


def test_a_few_of_many_models_are_no_incident() -> None:
    history = a_fleet(100)
    assert incidents(told(history, *(alarm(number) for number in range(19)))) == []
    assert len(incidents(told(history, alarm(19)))) == 1


def test_a_small_fleet_has_findings_and_no_incidents() -> None:
    few = LEAST_MODELS - 1
    assert incidents(told(a_fleet(few), *(alarm(number) for number in range(few)))) == []


def test_what_the_models_put_out_is_no_column_of_the_source() -> None:
    assert incidents(told(a_fleet(10), *(alarm(number, "prediction", Direction.UP) for number in range(10)))) == []


@pytest.mark.parametrize(("direction", "action"), [(Direction.MISSING, Action.NOTHING), (Direction.UP, Action.RETRAIN)])
def test_errors_are_laid_to_a_broken_column_but_not_to_one_that_moved(direction: Direction, action: Action) -> None:
    history = a_fleet(10)
    (incident,) = incidents(told(history, *(alarm(number, direction=direction) for number in range(10))))
    events = told(history, alarm(3, about=e.FindingKind.PERFORMANCE))
    (verdict,) = [event for event in events if isinstance(event, e.VerdictReached)]
    assert verdict.verdict.action is action
    assert verdict.incident == (incident.incident if action is Action.NOTHING else None)


def test_after_an_incident_was_resolved_findings_stand_for_themselves_again() -> None:
    history = a_fleet(10)
    (incident,) = incidents(told(history, *(alarm(number) for number in range(10))))
    history.record(FindingAnswered(finding=incident.incident, answer=Answer.RESOLVED, reason="repaired"), "user:ada")
    events = told(history, alarm(1, days=5))
    (verdict,) = events
    assert isinstance(verdict, e.VerdictReached)
    assert verdict.incident is None


def test_an_incident_nobody_ends_takes_no_findings_after_four_quiet_weeks() -> None:
    history = a_fleet(10)
    (incident,) = incidents(told(history, *(alarm(number) for number in range(10))))
    told(history, alarm(1, days=20))
    assert _incident_of(history, alarm(1, days=20)) == incident.incident
    told(history, alarm(1, days=49))
    assert _incident_of(history, alarm(1, days=49)) is None


def _incident_of(history: History, opened: e.FindingOpened) -> str | None:
    state = history.state.finding(opened.finding)
    assert isinstance(state, FindingState)
    return state.incident


@pytest.mark.parametrize(
    ("watched", "alarmed", "rate"), [(10, 5, 0.01), (200, 40, 0.001), (1000, 200, 0.1), (5, 5, 0.1)]
)
def test_the_bound_is_never_below_the_chance_itself(watched: int, alarmed: int, rate: float) -> None:
    exact = float(binom.logsf(alarmed - 1, watched, rate))
    assert exact - 1e-9 <= log_chance(watched, alarmed, rate) <= exact / 2
    assert log_chance(watched, 0, rate) == 0
