"""What people's answers to findings change, what incidents gather, and what the fleet's alarm budget is."""

from __future__ import annotations

from datetime import timedelta

from runtime.domain import alarms as a
from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain import findings as f
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold.moves import change, update
from runtime.domain.model_state import FindingState, IncidentState
from runtime.domain.records import replace
from runtime.domain.spec import Spec
from runtime.domain.state import FleetState

CHECKS_TOGETHER = 2
"""Alarms within so many checks of each other may have one cause."""


def remember(state: FleetState, opened: e.FindingOpened) -> None:
    """Puts an alarm beside those that may have the same cause, and forgets those of long before."""
    model = state.model(opened.model)
    if opened.about is not e.FindingKind.DATA_DRIFT:
        return
    together = CHECKS_TOGETHER * state.spec_of(model).monitor.every
    for cause in causes_of(state, opened):
        kept = [each for each in state.alarms.get(cause, ()) if each.model != opened.model]
        near = [each for each in kept if abs(opened.as_of - each.as_of) < together]
        state.alarms[cause] = (*near, f.Alarm(opened.model, opened.finding, opened.as_of, opened.log_threshold))
    _forget(state, opened, together)


def causes_of(state: FleetState, opened: e.FindingOpened) -> list[str]:
    """What an alarm may have for a cause, the surest first: columns of the source that alone would have raised it.

    What the model itself put out is no column of the source.
    """
    source, columns = source_of(state, opened.model), state.spec_of(state.model(opened.model)).data.features
    telling = [each for at, each in enumerate(opened.features) if not at or each.log_score >= opened.log_threshold]
    moved = [(each.feature, each.direction) for each in telling if each.feature in columns]
    return [f.cause_of(source, feature, direction) for feature, direction in moved if direction is not None]


def source_of(state: FleetState, model: str) -> str:
    """Where a model's data come from, in one line."""
    return source_in_words(state.spec_of(state.model(model)))


def source_in_words(spec: Spec) -> str:
    """The same of a spec."""
    source = spec.data.source
    return source if isinstance(source, str) else canonical.encode(source.as_document()).decode()


def _forget(state: FleetState, opened: e.FindingOpened, together: timedelta) -> None:
    """Causes of which nothing is near any more; looked through only when there are many."""
    if len(state.alarms) < _MANY_CAUSES:
        return
    for cause, alarms in list(state.alarms.items()):
        if all(abs(opened.as_of - each.as_of) >= together for each in alarms):
            del state.alarms[cause]
    for cause in list(state.alarms)[: max(0, len(state.alarms) - _MANY_CAUSES)]:
        del state.alarms[cause]


_MANY_CAUSES = 1_000


@change.register
def _(event: e.IncidentOpened, state: FleetState, entry: Entry) -> None:
    what = f"incident {event.incident}"
    if event.incident in state.incidents:
        raise Refused(what, "it is open already")
    found = {name: state.findings.get(name) for name in event.findings}
    if unknown := [name for name, finding in found.items() if finding is None]:
        raise Refused(what, f"no such finding: {unknown[0]}")
    models = dict.fromkeys(state.model(name).name for name in event.models)
    for name, finding in found.items():
        if finding is not None:
            state.findings[name] = replace(finding, incident=event.incident)
            _not_due(state, name, finding.opened.model, entry)
    state.incidents[event.incident] = IncidentState(event, entry.seq, tuple(models), event.as_of)
    state.causes[f.cause_of(event.source, event.feature, event.direction)] = event.incident


def joined(state: FleetState, incident: str, opened: e.FindingOpened) -> None:
    """One more model's finding belongs to the incident. Raises ``Refused``."""
    known = state.incidents.get(incident)
    if known is None:
        raise Refused(f"finding {opened.finding} as part of incident {incident}", "no such incident was opened")
    models = known.models if opened.model in known.models else (*known.models, opened.model)
    state.incidents[incident] = replace(known, models=models, newest=max(known.newest, opened.as_of))


@change.register
def _(event: f.FindingAnswered, state: FleetState, entry: Entry) -> None:
    what = f"{event.answer.value} as the answer to finding {event.finding}"
    finding, incident = state.findings.get(event.finding), state.incidents.get(event.finding)
    asked = finding if finding is not None else incident
    if asked is None:
        raise Refused(what, "there is no such finding")
    _require_fitting(what, event, finding)
    before = asked.answered
    f.require_legal(what, None if before is None else before.answer, event.answer)
    answered = f.Answered(event.answer, entry.principal, entry.seq, event.reason, event.until)
    noticed = entry.principal if event.answer is f.Answer.ACKNOWLEDGED else asked.acknowledged_by
    if finding is not None:
        state.findings[event.finding] = replace(finding, answered=answered, acknowledged_by=noticed)
        model = finding.opened.model
        update(state, model, entry)
        if event.answer in f.FINAL:
            _not_due(state, event.finding, model, entry)
    elif incident is not None:
        state.incidents[event.finding] = replace(incident, answered=answered, acknowledged_by=noticed)
        if event.answer in f.FINAL:
            state.causes = {cause: name for cause, name in state.causes.items() if name != event.finding}


def _require_fitting(what: str, event: f.FindingAnswered, finding: FindingState | None) -> None:
    """Raises ``Refused`` when the answer says too little, or not what can be said to this finding."""
    owner = None if finding is None else finding.opened.model
    if event.model != owner:
        raise Refused(what, f"it is {'an incident, of no one model' if owner is None else f'a finding of {owner}'}")
    if (event.answer is f.Answer.SNOOZED) != (event.until is not None):
        raise Refused(what, "until when is said with snoozed, and with nothing else")
    if event.answer is not f.Answer.ACCEPTED:
        return
    if finding is None:
        raise Refused(what, "a baseline is one model's: accept the findings of the models")
    if finding.opened.evidence is None:
        raise Refused(what, "its evidence was not kept, so there is no window to take for a baseline")


def _not_due(state: FleetState, finding: str, model: str, entry: Entry) -> None:
    """No retraining follows from this finding any more; one that runs already goes on."""
    if state.model(model).due == finding:
        update(state, model, entry, due=None, due_since=None, due_weight=0.0)
    if state.model(model).back_due == finding:
        update(state, model, entry, back_due=None)
    if state.model(model).broken == finding:
        update(state, model, entry, broken=None, broken_at=None)


@change.register
def _(event: a.MonitoringBudgetSet, state: FleetState, entry: Entry) -> None:
    state.alarm_budget = event.false_alarms


@change.register
def _(event: a.TrafficMeasured, state: FleetState, entry: Entry) -> None:
    state.traffic = state.traffic | event.rows_a_day
