"""``state = reduce(apply, entries)``: the one place where an event changes what is so.

An entry that makes no legal move raises ``Refused`` (or ``IllegalMove``) and changes nothing; the governor
uses that to refuse a command before it is written, a verifier to find a ledger that contradicts itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch
from typing import Any

from pydantic import ValidationError

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain import keeping as k
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.ids import digest_of
from runtime.domain.lifecycle import Move, Status, after
from runtime.domain.records import replace
from runtime.domain.spec import Spec
from runtime.domain.state import BatchState, FindingState, FleetState, HoldState, ModelState, RolloutState, VersionState


def fold(entries: Iterable[Entry], state: FleetState | None = None) -> FleetState:
    """The state after the entries, starting from an empty fleet or from ``state`` (changed in place)."""
    state = state if state is not None else FleetState()
    for entry in entries:
        apply(state, entry)
    return state


def apply(state: FleetState, entry: Entry) -> None:
    """Changes ``state`` by one entry. Raises ``Refused`` and leaves it unchanged when the entry is not legal."""
    if entry.seq != state.size:
        raise Refused(f"entry {entry.seq}", f"the next entry is {state.size}")
    _apply(entry.event, state, entry)
    state.size += 1


@singledispatch
def _apply(event: Any, state: FleetState, entry: Entry) -> None:
    """Events that only tell history change nothing of the state."""


def _update(state: FleetState, name: str, entry: Entry, **changes: Any) -> ModelState:
    model = replace(state.model(name), seq=entry.seq, **changes)
    state.models[name] = model
    return model


def _moved(model: ModelState, number: int, move: Move, **changes: Any) -> dict[int, VersionState]:
    """The model's versions after one of them made a move."""
    version = model.version(number)
    status = after(model.name, number, version.status, move)
    return model.versions | {number: replace(version, status=status, **changes)}


def _live(state: FleetState, name: str) -> ModelState:
    model = state.model(name)
    if model.retired:
        raise Refused(f"a change to {name}", "the model is retired")
    return model


# --- specs and models ------------------------------------------------------------------------------


@_apply.register
def _(event: e.SpecApplied, state: FleetState, entry: Entry) -> None:
    try:
        spec = Spec.model_validate(event.spec)
    except ValidationError as error:
        raise Refused(f"spec {event.name}", f"it is not a valid spec: {error.errors()[0]['msg']}") from error
    # Of the document as it was written: read by a later release, a spec has new fields at their defaults.
    found = digest_of(canonical.encode(event.spec))
    if found != event.digest:
        raise Refused(f"spec {event.name}", f"its content hashes to {found}, not to {event.digest}")
    state.specs[event.name] = spec


@_apply.register
def _(event: e.ModelDeclared, state: FleetState, entry: Entry) -> None:
    state.spec(event.spec)
    known = state.models.get(event.model)
    if known is not None and (known.spec, known.partition) != (event.spec, event.partition):
        raise Refused(f"model {event.model}", f"it is declared already by spec {known.spec} for {known.partition}")
    if known is None:
        state.models[event.model] = ModelState(event.model, event.spec, dict(event.partition), entry.seq)
    state.skipped.pop((event.spec, tuple(event.partition.values())), None)


@_apply.register
def _(event: e.PartitionSkipped, state: FleetState, entry: Entry) -> None:
    state.skipped[event.spec, tuple(event.partition.values())] = event.reason


@_apply.register
def _(event: e.ModelSuspended, state: FleetState, entry: Entry) -> None:
    _live(state, event.model)
    _update(state, event.model, entry, suspended=True)


@_apply.register
def _(event: e.ModelResumed, state: FleetState, entry: Entry) -> None:
    if not _live(state, event.model).suspended:
        raise Refused(f"resume {event.model}", "it is not suspended")
    _update(state, event.model, entry, suspended=False)


@_apply.register
def _(event: e.ModelRetired, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    versions = {
        number: version
        if version.status in (Status.REFUSED, Status.ROLLED_BACK, Status.RETIRED)
        else replace(version, status=after(model.name, number, version.status, Move.RETIRE))
        for number, version in model.versions.items()
    }
    _update(state, event.model, entry, versions=versions, champion=None, rollout=None, due=None, retired=True)


# --- versions --------------------------------------------------------------------------------------


@_apply.register
def _(event: e.VersionRegistered, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    if event.version != model.next_version:
        raise Refused(
            f"register {event.model} version {event.version}", f"the next version number is {model.next_version}"
        )
    version = VersionState(event.version, Status.REGISTERED, event, entry.principal, entry.time)
    _update(state, event.model, entry, versions=model.versions | {event.version: version})


@_apply.register
def _(event: e.VersionEvaluated, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    versions = _moved(model, event.version, Move.EVALUATE, report=event.report)
    _update(state, event.model, entry, versions=versions)


@_apply.register
def _(event: e.VersionRefused, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    versions = _moved(model, event.version, Move.REFUSE, reason=event.reason)
    snoozed = versions[event.version].registered.as_of + state.snooze_of(model)
    # An approved version may be at the full step of its rollout, just before it is promoted.
    rollout = None if model.rollout is None or model.rollout.version == event.version else model.rollout
    until = max(model.snoozed_until, snoozed)
    _update(state, event.model, entry, versions=versions, rollout=rollout, snoozed_until=until)


@_apply.register
def _(event: e.ApprovalRequested, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    versions = _moved(model, event.version, Move.REQUEST_APPROVAL, reason=event.reason, needed=event.approvers)
    _update(state, event.model, entry, versions=versions)


@_apply.register
def _(event: e.ApprovalGiven, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    version = model.version(event.version)
    if version.status is not Status.AWAITING_APPROVAL:
        raise Refused(f"approve {event.model} version {event.version}", f"it is {version.status.value}")
    if entry.principal in version.approvers:
        raise Refused(f"approve {event.model} version {event.version}", f"{entry.principal} approved it already")
    approved = replace(version, approvers=(*version.approvers, entry.principal))
    _update(state, event.model, entry, versions=model.versions | {event.version: approved})


@_apply.register
def _(event: e.VersionApproved, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    versions = _moved(model, event.version, Move.APPROVE, approval=event, reason=event.reason)
    _update(state, event.model, entry, versions=versions)


@_apply.register
def _(event: e.GrantIssued, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    version = model.version(event.version)
    if version.approval is None:
        raise Refused(f"grant for {event.model} version {event.version}", "it is not approved")
    granted = replace(version, signed=event.signed)
    _update(state, event.model, entry, versions=model.versions | {event.version: granted})


@_apply.register
def _(event: e.GrantRevoked, state: FleetState, entry: Entry) -> None:
    model = state.model(event.model)
    version = model.version(event.version)
    if version.signed is None or version.signed.grant.grant_id != event.grant_id:
        raise Refused(f"revoke grant {event.grant_id}", f"{event.model} version {event.version} does not hold it")
    revoked = replace(version, signed=None)
    _update(state, event.model, entry, versions=model.versions | {event.version: revoked})


# --- rollouts --------------------------------------------------------------------------------------

_STAGE_MOVES: dict[e.Stage, Move | None] = {
    e.Stage.SHADOW: Move.SHADOW,
    e.Stage.CANARY: Move.CANARY,
    e.Stage.FULL: None,
}


def _entered(model: ModelState, number: int, step: e.Step) -> dict[int, VersionState]:
    move = _STAGE_MOVES[step.stage]
    return model.versions if move is None else _moved(model, number, move)


def _running(model: ModelState, number: int) -> RolloutState:
    if model.rollout is None or model.rollout.version != number:
        raise Refused(f"rollout of {model.name} version {number}", "no such rollout is running")
    return model.rollout


@_apply.register
def _(event: e.RolloutStarted, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    version = model.version(event.version)
    what = f"rollout of {event.model} version {event.version}"
    if model.rollout is not None:
        raise Refused(what, f"version {model.rollout.version} is being rolled out")
    if version.status is not Status.APPROVED or version.signed is None:
        raise Refused(what, f"it is {version.status.value} and {'holds' if version.signed else 'holds no'} grant")
    versions = _entered(model, event.version, event.steps[0])
    _update(state, event.model, entry, versions=versions, rollout=RolloutState(event.version, event.steps, 0))


@_apply.register
def _(event: e.RolloutMeasured, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    rollout = _running(model, event.version)
    if rollout.step != event.step:
        raise Refused(f"measure of {event.model} step {event.step}", f"the rollout is at step {rollout.step}")
    measured = replace(rollout, measured=event.comparison, measured_as_of=event.as_of)
    _update(state, event.model, entry, rollout=measured)


@_apply.register
def _(event: e.RolloutAdvanced, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    rollout = _running(model, event.version)
    if not rollout.step < event.step < len(rollout.steps):
        raise Refused(f"advance {event.model} to step {event.step}", f"it is at {rollout.step} of {len(rollout.steps)}")
    moved = RolloutState(event.version, rollout.steps, event.step)
    versions = _entered(model, event.version, moved.current)
    _update(state, event.model, entry, versions=versions, rollout=moved)


@_apply.register
def _(event: e.RolloutAborted, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    _running(model, event.version)
    versions = _moved(model, event.version, Move.ROLL_BACK, reason=event.reason)
    until = max(model.snoozed_until, state.ticks_until + state.snooze_of(model))
    _update(state, event.model, entry, versions=versions, rollout=None, snoozed_until=until)


@_apply.register
def _(event: e.VersionPromoted, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    version = model.version(event.version)
    if version.signed is None:
        raise Refused(f"promote {event.model} version {event.version}", "it holds no grant")
    versions = _moved(model, event.version, Move.PROMOTE, reason=event.reason)
    former = model.former
    if model.champion is not None:
        old = versions[model.champion]
        status = after(model.name, old.number, old.status, Move.SUPERSEDE)
        versions = versions | {old.number: replace(old, status=status)}
        former = (*former, old.number)
    changes: dict[str, Any] = {"champion": event.version, "champion_since": event.as_of, "former": former}
    _update(state, event.model, entry, versions=versions, rollout=None, **changes)


@_apply.register
def _(event: e.RolledBack, state: FleetState, entry: Entry) -> None:
    model = _live(state, event.model)
    what = f"roll back {event.model} to version {event.to}"
    if model.champion != event.version:
        raise Refused(what, f"version {event.version} is not the champion; version {model.champion} is")
    if event.to not in model.former:
        raise Refused(what, f"former champions are {list(model.former) or 'none'}")
    if model.version(event.to).signed is None:
        raise Refused(what, "it holds no grant")
    versions = _moved(model, event.version, Move.ROLL_BACK, reason=event.reason)
    restored = after(model.name, event.to, versions[event.to].status, Move.RESTORE)
    versions = versions | {event.to: replace(versions[event.to], status=restored)}
    former = model.former[: model.former.index(event.to)]
    if model.rollout is not None:
        versions = _moved(replace(model, versions=versions), model.rollout.version, Move.ROLL_BACK, reason=event.reason)
    _update(state, event.model, entry, versions=versions, champion=event.to, former=former, rollout=None)


# --- monitoring and retraining ---------------------------------------------------------------------


@_apply.register
def _(event: e.WatermarkAdvanced, state: FleetState, entry: Entry) -> None:
    if event.until < state.watermark:
        raise Refused(f"watermark {event.until.isoformat()}", f"it stands at {state.watermark.isoformat()} already")
    state.watermark = event.until


@_apply.register
def _(event: e.TicksClosed, state: FleetState, entry: Entry) -> None:
    state.ticks_until = max(state.ticks_until, event.until)


@_apply.register
def _(event: e.FindingOpened, state: FleetState, entry: Entry) -> None:
    model = state.model(event.model)
    _update(state, event.model, entry, findings=model.findings + 1)
    state.findings[event.finding] = FindingState(event, entry.seq)


@_apply.register
def _(event: e.VerdictReached, state: FleetState, entry: Entry) -> None:
    model = state.model(event.model)
    finding = state.findings.get(event.finding)
    if finding is None or finding.verdict is not None:
        raise Refused(f"verdict on {event.finding}", "no such finding is open")
    state.findings[event.finding] = replace(finding, verdict=event.verdict)
    if event.verdict.action == "retrain":
        _update(state, event.model, entry, due=event.finding, due_since=event.as_of)
    else:
        _update(state, model.name, entry)


@_apply.register
def _(event: e.RetrainingStarted, state: FleetState, entry: Entry) -> None:
    state.spec(event.spec)
    for name in event.models:
        if state.model(name).batch is not None:
            raise Refused(f"retraining {event.batch}", f"{name} is in batch {state.model(name).batch}")
    for name in event.models:
        count = state.model(name).retrainings + 1
        _update(state, name, entry, due=None, due_since=None, batch=event.batch, retrainings=count)
    state.batches[event.batch] = BatchState(event.batch, event.spec, event.models, event.as_of, entry.seq)


@_apply.register
def _(event: e.RetrainingFinished, state: FleetState, entry: Entry) -> None:
    batch = state.batches.get(event.batch)
    if batch is None or batch.finished:
        raise Refused(f"finish of retraining {event.batch}", "no such batch is running")
    for name in batch.models:
        if not state.model(name).retired:
            _update(state, name, entry, batch=None)
    finished = replace(batch, finished=True, succeeded=event.succeeded, reason=event.reason)
    state.batches[event.batch] = finished


@_apply.register
def _(event: e.TrainingFailed, state: FleetState, entry: Entry) -> None:
    model = state.models.get(event.model)
    if model is not None and not model.retired and model.batch == event.batch:
        until = state.batches[event.batch].as_of + state.snooze_of(model)
        _update(state, event.model, entry, snoozed_until=max(model.snoozed_until, until))


# --- data plane ------------------------------------------------------------------------------------


@_apply.register
def _(event: e.SegmentSealed, state: FleetState, entry: Entry) -> None:
    totals = replace(state.totals, segments=state.totals.segments + 1)
    if event.content is e.SegmentContent.DECISIONS:
        state.totals = replace(totals, decisions=totals.decisions + event.records)
    else:
        state.totals = replace(totals, outcomes=totals.outcomes + event.records)


@_apply.register
def _(event: e.RecordsLost, state: FleetState, entry: Entry) -> None:
    lost = event.last_number - event.first_number + 1
    state.totals = replace(state.totals, lost=state.totals.lost + lost)


@_apply.register
def _(event: e.RecordsDropped, state: FleetState, entry: Entry) -> None:
    state.totals = replace(state.totals, dropped=state.totals.dropped + event.records)


@_apply.register
def _(event: e.LoadRefused, state: FleetState, entry: Entry) -> None:
    state.totals = replace(state.totals, refused_loads=state.totals.refused_loads + 1)


# --- what is kept ----------------------------------------------------------------------------------


@_apply.register
def _(event: k.LegalHoldPlaced, state: FleetState, entry: Entry) -> None:
    model, number = state.model(event.model), len(state.holds) + 1
    if event.hold != number:
        raise Refused(f"legal hold {event.hold} on {event.model}", f"the next hold is number {number}")
    state.holds[number] = HoldState(number, model.name, event.reason, entry.principal, entry.seq)


@_apply.register
def _(event: k.LegalHoldReleased, state: FleetState, entry: Entry) -> None:
    hold = state.holds.get(event.hold)
    if hold is None or hold.released is not None:
        raise Refused(f"release of legal hold {event.hold}", "no such hold is in force")
    state.holds[event.hold] = replace(hold, released=event.reason)


@_apply.register
def _(event: k.BodiesDeleted, state: FleetState, entry: Entry) -> None:
    for name in event.models:
        if state.holds_on(state.model(name).name):
            held = ", ".join(str(hold.hold) for hold in state.holds_on(name))
            raise Refused(f"deletion of {len(event.digests)} bodies", f"{name} is under legal hold {held}")
    state.totals = replace(state.totals, deleted=state.totals.deleted + event.records)


# --- control plane ---------------------------------------------------------------------------------


@_apply.register
def _(event: e.GovernorStarted, state: FleetState, entry: Entry) -> None:
    if event.epoch != state.governor_starts + 1:
        raise Refused(f"governor epoch {event.epoch}", f"the next epoch is {state.governor_starts + 1}")
    state.governor_starts = event.epoch


@_apply.register
def _(event: e.CommandRefused, state: FleetState, entry: Entry) -> None:
    state.totals = replace(state.totals, refused_commands=state.totals.refused_commands + 1)
