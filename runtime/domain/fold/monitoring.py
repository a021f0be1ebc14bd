"""What entries about findings, verdicts and retraining change."""

from __future__ import annotations

from typing import Any

from runtime.domain import events as e
from runtime.domain.checks import Check
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold.findings import joined, remember
from runtime.domain.fold.moves import change, live, update
from runtime.domain.model_state import FindingState
from runtime.domain.records import replace
from runtime.domain.state import BatchState, FleetState
from runtime.domain.verdict import Action


@change.register
def _(event: e.WatermarkAdvanced, state: FleetState, entry: Entry) -> None:
    if event.until < state.watermark:
        raise Refused(f"watermark {event.until.isoformat()}", f"it stands at {state.watermark.isoformat()} already")
    state.watermark = event.until


@change.register
def _(event: e.TicksClosed, state: FleetState, entry: Entry) -> None:
    monitor, monitors = event.monitor or 0, event.monitors or 1
    if monitors != state.monitors:
        return  # said by one of those that shared the models before: the present ones say it again
    if not 0 <= monitor < monitors:
        raise Refused(f"ticks closed by monitor {monitor}", f"there are {monitors}, from 0")
    state.closed_by[monitor] = max(state.closed_by.get(monitor, event.until), event.until)
    if len(state.closed_by) == monitors:
        state.ticks_until = max(state.ticks_until, min(state.closed_by.values()))


@change.register
def _(event: e.FindingOpened, state: FleetState, entry: Entry) -> None:
    model = state.model(event.model)
    update(state, event.model, entry, findings=model.findings + 1)
    state.findings[event.finding] = FindingState(event, entry.seq)
    remember(state, event)


@change.register
def _(event: e.VerdictReached, state: FleetState, entry: Entry) -> None:
    model = state.model(event.model)
    finding = state.findings.get(event.finding)
    if finding is None or finding.verdict is not None:
        raise Refused(f"verdict on {event.finding}", "no such finding is open")
    if event.incident is not None:
        joined(state, event.incident, finding.opened)
    state.findings[event.finding] = replace(finding, verdict=event.verdict, incident=event.incident)
    update(state, model.name, entry, **_follows(event, finding.opened))


def _follows(event: e.VerdictReached, opened: e.FindingOpened) -> dict[str, Any]:
    """What a verdict changes of its model, beside that it was reached."""
    numbers = event.verdict.numbers
    match event.verdict.action:
        case Action.RETRAIN:
            return {"due": event.finding, "due_since": event.as_of, "due_weight": numbers.get("priority", 0.0)}
        case Action.ROLL_BACK:
            return {"back_due": event.finding}
        case Action.CALL_A_PERSON if _breaks_a_column(opened) and event.incident is None:
            # A retraining that waits would learn from what is broken now.
            called_off = {"due": None, "due_since": None, "due_weight": 0.0}
            return {"broken": event.finding, "broken_at": event.as_of, **called_off}
        case _:
            return {}


def _breaks_a_column(opened: e.FindingOpened) -> bool:
    """Whether what was found is about what a column holds; late, few or repeated rows break none."""
    failed = {each.check for each in opened.breaches or ()}
    return opened.about is e.FindingKind.DATA_DRIFT or not failed.isdisjoint(_OF_COLUMNS)


_OF_COLUMNS = frozenset({Check.MISSING, Check.UNSEEN, Check.OUT_OF_RANGE, Check.CONSTANT, Check.TYPE, Check.INFINITE})


@change.register
def _(event: e.RetrainingStarted, state: FleetState, entry: Entry) -> None:
    state.spec(event.spec)
    for name in event.models:
        if state.model(name).batch is not None:
            raise Refused(f"retraining {event.batch}", f"{name} is in batch {state.model(name).batch}")
    for name in event.models:
        count = state.model(name).retrainings + 1
        changes: dict[str, Any] = {"due": None, "due_since": None, "due_weight": 0.0, "trained_until": event.as_of}
        update(state, name, entry, batch=event.batch, retrainings=count, **changes)
    alarms, findings = event.alarms or {}, event.findings or {}
    begun = BatchState(event.batch, event.spec, event.models, event.as_of, entry.seq, alarms=alarms, findings=findings)
    state.batches[event.batch] = begun


@change.register
def _(event: e.RetrainingBudgetSet, state: FleetState, entry: Entry) -> None:
    state.retraining_budget = event


@change.register
def _(event: e.RetrainingScored, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    if model.champion != event.version:
        raise Refused(f"scorecard of {event.model} version {event.version}", "it is not the champion")
    update(state, event.model, entry, scored=event.version)


@change.register
def _(event: e.RetrainingFinished, state: FleetState, entry: Entry) -> None:
    batch = state.batches.get(event.batch)
    if batch is None or batch.finished:
        raise Refused(f"finish of retraining {event.batch}", "no such batch is running")
    for name in batch.models:
        if not state.model(name).retired:
            update(state, name, entry, batch=None)
    finished = replace(batch, finished=True, succeeded=event.succeeded, reason=event.reason)
    state.batches[event.batch] = finished


@change.register
def _(event: e.TrainingFailed, state: FleetState, entry: Entry) -> None:
    model = state.models.get(event.model)
    if model is not None and not model.retired and model.batch == event.batch:
        until = state.batches[event.batch].as_of + state.snooze_of(model)
        update(state, event.model, entry, snoozed_until=max(model.snoozed_until, until))
