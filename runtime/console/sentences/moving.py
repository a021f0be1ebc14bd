"""What is said of approvals, grants, pools and rollouts."""

from __future__ import annotations

from runtime.console.sentences.told import Told, tell
from runtime.console.words import (
    comparison_in_words,
    count,
    day,
    listed,
    minute,
    short,
    step_in_words,
)
from runtime.domain import events as e


@tell.register
def _(event: e.ApprovalRequested) -> Told:
    seats = tuple(f"{count(seat.approvers, 'approval')} of role {seat.role}" for seat in event.people.seats)
    until = "" if event.until is None else f"until {minute(event.until)}"
    what = "may serve longer after" if event.renewal else "waits for"
    return Told(f"version {event.version} {what} {listed(seats)}", event.reason, until)


@tell.register
def _(event: e.ApprovalGiven) -> Told:
    role = "" if event.role is None else f" as {event.role}"
    bound = "" if event.conditions is None else f"on condition of {listed(event.conditions)}"
    return Told(f"approval of version {event.version} given{role}", event.reason, bound)


@tell.register
def _(event: e.ApprovalTimedOut) -> Told:
    return Told(f"nobody decided on version {event.version} in time")


@tell.register
def _(event: e.RenewalAsked) -> Told:
    return Told(f"version {event.version} is to serve for longer", event.reason)


@tell.register
def _(event: e.RenewalRefused) -> Told:
    return Told(f"version {event.version} is not to serve for longer", event.reason)


@tell.register
def _(event: e.ApprovalRevoked) -> Told:
    return Told(f"approval of version {event.version} revoked", event.reason)


@tell.register
def _(event: e.BreakGlassOpened) -> Told:
    hours = f"for {event.valid_seconds / 3600:g} h, once another person signs"
    return Told(f"version {event.version} is to serve at once without its approval", event.reason, hours)


@tell.register
def _(event: e.BreakGlassSigned) -> Told:
    return Told(f"glass broken for version {event.version}, signed", event.reason)


@tell.register
def _(event: e.VersionApproved) -> Told:
    how = f"approved automatically under {listed(event.approved_by)}"
    if not event.automatic:
        how = f"approved, agreed to by {listed(event.approved_by)}"
    if event.break_glass:
        how = f"let through by {listed(event.approved_by)} alone"
    until = minute(event.valid_until) if event.break_glass else day(event.valid_until)
    return Told(f"version {event.version} {how}", event.reason, f"valid until {until}")


@tell.register
def _(event: e.GrantIssued) -> Told:
    grant = event.signed.grant
    where = f"serve in {grant.environment}, pool {grant.pool}"
    return Told(f"version {event.version} granted the right to {where}, until {day(grant.valid_until)}")


@tell.register
def _(event: e.GrantRevoked) -> Told:
    return Told(f"grant of version {event.version} revoked", event.reason)


@tell.register
def _(event: e.PoolConfigured) -> Told:
    options = event.options
    reserved = [f"{options.cpus:g} CPU"]
    reserved += [f"{options.gpus:g} GPU"] * bool(options.gpus) + [f"{options.memory} bytes"] * bool(options.memory)
    return Told(f"set to {options.replicas} replicas, each with {listed(tuple(reserved))}", about=f"pool {event.pool}")


@tell.register
def _(event: e.ModelMoved) -> Told:
    return Told(f"moved to pool {event.pool}", event.reason)


@tell.register
def _(event: e.RolloutStarted) -> Told:
    steps = ", then ".join(step_in_words(step) for step in event.steps)
    return Told(f"rollout of version {event.version} started", numbers=steps)


@tell.register
def _(event: e.RolloutMeasured) -> Told:
    step = f"step {event.step + 1} of version {event.version}'s rollout"
    broken = tuple(reading.guard.value for reading in event.guards or () if reading.is_broken)
    numbers = comparison_in_words(event.comparison) if event.comparison.rows else "before any outcome"
    return Told(f"{step} measured", f"guard broken: {listed(broken)}" if broken else "", numbers)


@tell.register
def _(event: e.RolloutPaused) -> Told:
    return Told(f"rollout of version {event.version} paused", event.reason)


@tell.register
def _(event: e.RolloutResumed) -> Told:
    return Told(f"rollout of version {event.version} goes on", event.reason)


@tell.register
def _(event: e.WavesStopped) -> Told:
    return Told(f"waves of batch {short(event.batch)} stopped after wave {event.wave}", event.reason, about=event.spec)


@tell.register
def _(event: e.WavesResumed) -> Told:
    return Told(f"waves of batch {short(event.batch)} go on", event.reason, about=event.spec)


@tell.register
def _(event: e.RolloutAdvanced) -> Told:
    return Told(f"rollout of version {event.version} advanced to step {event.step + 1}", event.reason)


@tell.register
def _(event: e.RolloutAborted) -> Told:
    return Told(f"rollout of version {event.version} aborted", event.reason)


@tell.register
def _(event: e.VersionPromoted) -> Told:
    return Told(f"version {event.version} promoted to champion", event.reason)


@tell.register
def _(event: e.RolledBack) -> Told:
    return Told(f"rolled back from version {event.version} to version {event.to}", event.reason)
