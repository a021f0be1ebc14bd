"""What follows from an entry by policy alone; the governor records it in the same commit as its cause.

Each consequence has an idempotency key derived from its cause, so computing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import singledispatch
from typing import Any

from runtime.domain import events as e
from runtime.domain.entry import Draft, Entry
from runtime.domain.grant import Grant, SignedGrant
from runtime.domain.ids import derived_id
from runtime.domain.lifecycle import Status
from runtime.domain.state import FleetState, ModelState
from runtime.policy import approval, incidents, retraining

GOVERNOR = "service:governor"

Sign = Callable[[Grant], SignedGrant]


def reactions(state: FleetState, entry: Entry, sign: Sign) -> list[Draft]:
    """The drafts that follow from an entry that was just applied to the state."""
    consequences = _follow(entry.event, state, entry.time, sign)
    return [
        Draft(event, GOVERNOR, derived_id("reaction", entry.event_id, number))
        for number, event in enumerate(consequences)
    ]


@singledispatch
def _follow(event: Any, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    return []


@_follow.register
def _(event: e.VersionEvaluated, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    spec = state.spec_of(state.model(event.model))
    return [approval.after_evaluation(spec, event.model, event.version, event.report, now)]


@_follow.register
def _(event: e.ApprovalGiven, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    model = state.model(event.model)
    approved = approval.after_consent(state.spec_of(model), event.model, model.version(event.version), now)
    return [] if approved is None else [approved]


@_follow.register
def _(event: e.VersionApproved, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    model = state.model(event.model)
    spec = state.spec_of(model)
    registered = model.version(event.version).registered
    wanted = spec.serving.pool_of(event.model)
    grant = Grant(
        grant_id=derived_id("grant", event.model, event.version, event.policy),
        model=event.model,
        version=event.version,
        artifact=registered.artifact,
        package=registered.package,
        environment=spec.serving.environment,
        pool=model.pool or wanted,
        policy=event.policy,
        valid_from=now,
        valid_until=event.valid_until,
    )
    issued = e.GrantIssued(model=event.model, version=event.version, signed=sign(grant))
    return [issued] if grant.pool == wanted else [issued, _moving(issued, wanted, now, sign)]


def _moving(held: e.GrantIssued, pool: str, now: datetime, sign: Sign) -> e.GrantIssued:
    """The same right in another pool, beside the one that is held."""
    grant = held.signed.grant
    identity = derived_id("grant", grant.model, grant.version, grant.policy, pool, now.isoformat())
    copy = grant.model_copy(update={"grant_id": identity, "pool": pool, "valid_from": now})
    return e.GrantIssued(model=held.model, version=held.version, signed=sign(copy))


@_follow.register
def _(event: e.SpecApplied, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    models = [model for model in state.models.values() if model.spec == event.name and not model.retired]
    return [each for model in models for each in _begin_move(state, model, now, sign)]


def _begin_move(state: FleetState, model: ModelState, now: datetime, sign: Sign) -> list[e.Event]:
    """Grants where the spec wants the model from now on; those for a move that is off are revoked."""
    wanted, found = state.pool_wanted(model), list[e.Event]()
    for number, version in sorted(model.versions.items()):
        moving, signed = version.moving, version.signed
        if moving is not None and moving.grant.pool != wanted:
            reason = f"it is not to move to pool {moving.grant.pool} any more"
            found.append(_revoked(model.name, number, moving, reason))
            moving = None
        if moving is None and signed is not None and signed.grant.pool != wanted and signed.grant.valid_until > now:
            held = e.GrantIssued(model=model.name, version=number, signed=signed)
            found.append(_moving(held, wanted, now, sign))
    return found


@_follow.register
def _(event: e.ModelMoved, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    versions = sorted(state.model(event.model).versions.items())
    held = [(number, version.moving) for number, version in versions if version.moving is not None]
    return [_revoked(event.model, number, signed, f"moved to pool {event.pool}") for number, signed in held]


def _revoked(name: str, number: int, signed: SignedGrant, reason: str) -> e.GrantRevoked:
    return e.GrantRevoked(model=name, version=number, grant_id=signed.grant.grant_id, reason=reason)


def _revoke(state: FleetState, name: str, number: int, reason: str) -> list[e.Event]:
    return [_revoked(name, number, signed, reason) for signed in state.model(name).version(number).grants]


@_follow.register
def _(event: e.VersionRefused, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    return _revoke(state, event.model, event.version, f"version refused: {event.reason}")


@_follow.register
def _(event: e.RolloutAborted, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    return _revoke(state, event.model, event.version, f"rollout aborted: {event.reason}")


@_follow.register
def _(event: e.RolledBack, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    # The champion, and the challenger that was being rolled out against it.
    versions = state.model(event.model).versions.values()
    fallen = [version.number for version in versions if version.status is Status.ROLLED_BACK]
    return [each for number in fallen for each in _revoke(state, event.model, number, f"rolled back: {event.reason}")]


@_follow.register
def _(event: e.ModelRetired, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    numbers = sorted(state.model(event.model).versions)
    return [each for number in numbers for each in _revoke(state, event.model, number, f"retired: {event.reason}")]


@_follow.register
def _(event: e.FindingOpened, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    model = state.model(event.model)
    spec = state.spec_of(model)
    known = incidents.known_cause(state, event) or incidents.breakage(state, event)
    opened = incidents.common_cause(state, event) if known is None else None
    common = opened if known is None else known.opened
    traffic = state.traffic.get(event.model)
    answer = retraining.verdict(event, model, spec, traffic) if common is None else retraining.laid_to(event, spec, common)
    reached = e.VerdictReached(
        finding=event.finding,
        model=event.model,
        verdict=answer,
        policy=spec.policy_digest,
        as_of=event.as_of,
        incident=None if common is None else common.incident,
    )
    return [reached] if opened is None else [opened, reached]
