"""A finding's life: what people may say to it, who is told what was refused, and what their answers change."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runtime.domain import events as e
from runtime.domain.errors import IllegalMove, Refused
from runtime.domain.findings import FINAL, Answer, Direction, FindingAnswered, UnknownFinding
from runtime.domain.model_state import FindingState, IncidentState
from runtime.domain.reports import FeatureStatistic
from runtime.domain.verdict import Action, Verdict
from tests.unit.domain.lives import MODEL, MONDAY, History, a_finding, champion, digest

ADA = "user:ada"
KEPT = a_finding(about=e.FindingKind.DATA_DRIFT).model_copy(update={"evidence": digest("evidence")})


def says(said: Answer, finding: str = "finding-1", model: str | None = MODEL) -> FindingAnswered:
    until = MONDAY + timedelta(days=7) if said is Answer.SNOOZED else None
    return FindingAnswered(finding=finding, model=model, answer=said, until=until, reason="looked at")


def found(opened: e.FindingOpened = KEPT) -> History:
    return History.of(*champion(), opened)


def verdict(action: Action) -> e.VerdictReached:
    return e.VerdictReached(
        finding="finding-1", model=MODEL, verdict=Verdict(action=action, reason="x"), policy=digest("p"), as_of=MONDAY
    )


def an_incident(*findings: str) -> e.IncidentOpened:
    return e.IncidentOpened(
        incident="incident-1",
        source="data:load",
        feature="hour",
        direction=Direction.MISSING,
        as_of=MONDAY,
        models=(MODEL,),
        findings=findings or ("finding-1",),
        watched=5,
        checks=2,
        log_chance=-30.0,
        verdict=Verdict(action=Action.CALL_A_PERSON, reason="one cause"),
    )


@pytest.mark.parametrize("said", list(Answer))
def test_an_open_finding_takes_any_answer_with_its_principal_and_reason(said: Answer) -> None:
    history = found()
    entry = history.record(says(said), ADA)
    state = history.state.finding("finding-1")
    assert state.answered is not None
    assert (state.answered.answer, state.answered.by, state.answered.seq) == (said, ADA, entry.seq)
    assert state.answered.reason == "looked at"
    assert history.model.seq == entry.seq


@pytest.mark.parametrize("last", sorted(FINAL))
@pytest.mark.parametrize("said", list(Answer))
def test_an_ended_finding_takes_none(last: Answer, said: Answer) -> None:
    history = found().after(says(last), by=ADA)
    with pytest.raises(IllegalMove, match=f"it is {last}; legal answers are: none"):
        history.record(says(said), ADA)


def test_a_finding_is_acknowledged_once_and_that_is_remembered() -> None:
    history = found().after(says(Answer.ACKNOWLEDGED), by=ADA)
    with pytest.raises(
        IllegalMove, match="it is acknowledged; legal answers are: accepted, dismissed, resolved, snoozed"
    ):
        history.record(says(Answer.ACKNOWLEDGED), "user:bob")
    history.record(says(Answer.RESOLVED), "user:bob")
    state = history.state.finding("finding-1")
    assert state.acknowledged_by == ADA
    assert state.answered is not None
    assert state.answered.by == "user:bob"


def test_an_answer_to_nothing_is_refused() -> None:
    with pytest.raises(Refused, match="there is no such finding"):
        found().record(says(Answer.RESOLVED, "finding-2"), ADA)


def test_an_answer_names_the_model_of_its_finding() -> None:
    with pytest.raises(Refused, match=f"it is a finding of {MODEL}"):
        found().record(says(Answer.RESOLVED, model=None), ADA)


@pytest.mark.parametrize(
    "said",
    [
        says(Answer.SNOOZED).model_copy(update={"until": None}),
        says(Answer.RESOLVED).model_copy(update={"until": MONDAY}),
    ],
    ids=["snoozed for ever", "resolved until"],
)
def test_until_when_is_said_with_snoozed_alone(said: FindingAnswered) -> None:
    with pytest.raises(Refused, match="until when is said with snoozed"):
        found().record(said, ADA)


def test_a_finding_without_evidence_is_not_accepted_as_normal() -> None:
    with pytest.raises(Refused, match="its evidence was not kept"):
        found(a_finding()).record(says(Answer.ACCEPTED), ADA)


@pytest.mark.parametrize("said", list(Answer))
def test_what_ends_a_finding_takes_back_the_retraining_it_asked_for(said: Answer) -> None:
    history = found().after(verdict(Action.RETRAIN))
    assert history.model.due == "finding-1"
    history.record(says(said), ADA)
    assert history.model.due == (None if said in FINAL else "finding-1")


def test_a_finding_is_found_by_the_first_letters_of_its_id() -> None:
    state = found().after(KEPT.model_copy(update={"finding": "another"})).state
    opened = state.finding("ano")
    assert isinstance(opened, FindingState)
    assert opened.opened.finding == "another"
    with pytest.raises(UnknownFinding, match="none has that id"):
        state.finding("nothing")
    history = found().after(KEPT.model_copy(update={"finding": "finding-2"}))
    with pytest.raises(UnknownFinding, match="2 begin with it"):
        history.state.finding("finding")


def test_an_incident_takes_the_findings_it_names_and_their_retrainings() -> None:
    history = found().after(verdict(Action.RETRAIN), an_incident())
    finding, incident = history.state.finding("finding-1"), history.state.finding("incident-1")
    assert isinstance(finding, FindingState)
    assert isinstance(incident, IncidentState)
    assert finding.incident == "incident-1"
    assert incident.models == (MODEL,)
    assert history.model.due is None


def test_an_incident_of_findings_nobody_made_is_refused_and_so_is_a_second_of_its_name() -> None:
    history = found()
    with pytest.raises(Refused, match="no such finding: finding-7"):
        history.record(an_incident("finding-1", "finding-7"))
    history.record(an_incident())
    with pytest.raises(Refused, match="it is open already"):
        history.record(an_incident())


def test_an_incident_is_answered_but_never_accepted() -> None:
    history = found().after(an_incident())
    with pytest.raises(Refused, match="a baseline is one model's"):
        history.record(says(Answer.ACCEPTED, "incident-1", None), ADA)
    history.record(says(Answer.ACKNOWLEDGED, "incident-1", None), ADA)
    assert history.state.causes == {"hour missing data:load": "incident-1"}
    history.record(says(Answer.RESOLVED, "incident-1", None), ADA)
    assert history.state.causes == {}


def test_alarms_are_kept_beside_each_other_by_column_and_direction_for_two_checks() -> None:
    def drift(name: str, at: int, feature: str = "hour") -> e.FindingOpened:
        moved = FeatureStatistic(feature=feature, log_score=20, js=0.5, psi=2, missing_rate=0, direction=Direction.UP)
        as_of = MONDAY + timedelta(days=at)
        return a_finding(name, e.FindingKind.DATA_DRIFT, features=(moved,), as_of=as_of)

    history = found().after(drift("f1", 0), drift("f2", 1, "prediction"))
    cause = "hour up data:load"
    assert [alarm.finding for alarm in history.state.alarms[cause]] == ["f1"]
    assert list(history.state.alarms) == [cause]  # what the model put out is no column of the source
    history.after(drift("f3", 1))
    assert [alarm.finding for alarm in history.state.alarms[cause]] == ["f3"]  # the newest of a model
