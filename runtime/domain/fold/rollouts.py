"""What entries about rollouts, promotions and rollbacks change."""

from __future__ import annotations

from typing import Any

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold.moves import change, live, moved, update
from runtime.domain.lifecycle import Move, Status, after
from runtime.domain.model_state import ModelState, RolloutState, VersionState
from runtime.domain.records import replace
from runtime.domain.state import FleetState

_STAGE_MOVES: dict[e.Stage, Move | None] = {
    e.Stage.SHADOW: Move.SHADOW,
    e.Stage.CANARY: Move.CANARY,
    e.Stage.BLUE_GREEN: Move.CANARY,
    e.Stage.FULL: None,
}


def _entered(model: ModelState, number: int, step: e.Step) -> dict[int, VersionState]:
    move = _STAGE_MOVES[step.stage]
    return model.versions if move is None else moved(model, number, move)


def _running(model: ModelState, number: int) -> RolloutState:
    if model.rollout is None or model.rollout.version != number:
        raise Refused(f"rollout of {model.name} version {number}", "no such rollout is running")
    return model.rollout


def _require_open(what: str, rollout: RolloutState, entry: Entry) -> None:
    """Raises ``Refused`` for what an operator decided before a pause or a broken guard was recorded; people may."""
    if entry.principal.startswith("user:"):
        return
    if rollout.paused:
        raise Refused(what, f"the rollout is paused: {rollout.paused}")
    broken = [reading.guard.value for reading in rollout.guards if reading.is_broken]
    if broken:
        raise Refused(what, f"a guard is broken: {', '.join(broken)}")


@change.register
def _(event: e.RolloutStarted, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    version = model.version(event.version)
    what = f"rollout of {event.model} version {event.version}"
    if model.rollout is not None:
        raise Refused(what, f"version {model.rollout.version} is being rolled out")
    if version.status is not Status.APPROVED or version.signed is None:
        raise Refused(what, f"it is {version.status.value} and {'holds' if version.signed else 'holds no'} grant")
    versions = _entered(model, event.version, event.steps[0])
    begun = RolloutState(event.version, event.steps, 0, since=state.ticks_until)
    update(state, event.model, entry, versions=versions, rollout=begun)


@change.register
def _(event: e.RolloutMeasured, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    rollout = _running(model, event.version)
    if rollout.step != event.step:
        raise Refused(f"measure of {event.model} step {event.step}", f"the rollout is at step {rollout.step}")
    guards = event.guards or ()
    measured = replace(rollout, measured=event.comparison, measured_as_of=event.as_of, guards=guards)
    update(state, event.model, entry, rollout=measured)


@change.register
def _(event: e.RolloutAdvanced, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    rollout = _running(model, event.version)
    if not rollout.step < event.step < len(rollout.steps):
        raise Refused(f"advance {event.model} to step {event.step}", f"it is at {rollout.step} of {len(rollout.steps)}")
    _require_open(f"advance {event.model} to step {event.step}", rollout, entry)
    moved = RolloutState(event.version, rollout.steps, event.step, since=state.ticks_until)
    versions = _entered(model, event.version, moved.current)
    update(state, event.model, entry, versions=versions, rollout=moved)


@change.register
def _(event: e.RolloutPaused, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    rollout = _running(model, event.version)
    what = f"pause of the rollout of {event.model} version {event.version}"
    if rollout.paused:
        raise Refused(what, f"it is paused already: {rollout.paused}")
    if not event.reason.strip():
        raise Refused(what, "a reason is expected")
    update(state, event.model, entry, rollout=replace(rollout, paused=event.reason))


@change.register
def _(event: e.RolloutResumed, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    rollout = _running(model, event.version)
    if not rollout.paused:
        raise Refused(f"resuming the rollout of {event.model} version {event.version}", "it is not paused")
    update(state, event.model, entry, rollout=replace(rollout, paused=""))


@change.register
def _(event: e.WavesStopped, state: FleetState, entry: Entry) -> None:
    state.spec(event.spec)
    if event.batch in state.waves:
        stands = state.waves[event.batch] or "somebody let them go on"
        raise Refused(f"stop of the waves of batch {event.batch}", f"they were stopped once: {stands}")
    state.waves[event.batch] = event.reason or "a wave ended badly"


@change.register
def _(event: e.WavesResumed, state: FleetState, entry: Entry) -> None:
    if not state.waves.get(event.batch):
        raise Refused(f"resuming the waves of batch {event.batch}", "they are not stopped")
    state.waves[event.batch] = ""


@change.register
def _(event: e.RolloutAborted, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    _running(model, event.version)
    versions = moved(model, event.version, Move.ROLL_BACK, reason=event.reason)
    until = max(model.snoozed_until, state.ticks_until + state.snooze_of(model))
    update(state, event.model, entry, versions=versions, rollout=None, snoozed_until=until)


@change.register
def _(event: e.VersionPromoted, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    version = model.version(event.version)
    if version.signed is None:
        raise Refused(f"promote {event.model} version {event.version}", "it holds no grant")
    if model.rollout is not None and model.rollout.version == event.version:
        _require_open(f"promote {event.model} version {event.version}", model.rollout, entry)
    versions = moved(model, event.version, Move.PROMOTE, reason=event.reason)
    former = model.former
    if model.champion is not None:
        old = versions[model.champion]
        status = after(model.name, old.number, old.status, Move.SUPERSEDE)
        versions = versions | {old.number: replace(old, status=status)}
        former = (*former, old.number)
    changes: dict[str, Any] = {"champion": event.version, "champion_since": event.as_of, "former": former}
    changes |= {"back_due": None, "broken": None, "broken_at": None}
    update(state, event.model, entry, versions=versions, rollout=None, **changes)


@change.register
def _(event: e.RolledBack, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    what = f"roll back {event.model} to version {event.to}"
    if model.champion != event.version:
        raise Refused(what, f"version {event.version} is not the champion; version {model.champion} is")
    if event.to not in model.former:
        raise Refused(what, f"former champions are {list(model.former) or 'none'}")
    if model.version(event.to).signed is None:
        raise Refused(what, "it holds no grant")
    versions = moved(model, event.version, Move.ROLL_BACK, reason=event.reason)
    restored = after(model.name, event.to, versions[event.to].status, Move.RESTORE)
    versions = versions | {event.to: replace(versions[event.to], status=restored)}
    former = model.former[: model.former.index(event.to)]
    if model.rollout is not None:
        versions = moved(replace(model, versions=versions), model.rollout.version, Move.ROLL_BACK, reason=event.reason)
    changes: dict[str, Any] = {"champion": event.to, "former": former, "rollout": None, "back_due": None}
    update(state, event.model, entry, versions=versions, **changes)
