"""What follows from an entry by policy alone; the governor records it in the same commit as its cause.

Each consequence has an idempotency key derived from its cause, so computing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import singledispatch
from typing import Any

from runtime.domain import events as e
from runtime.domain import tokens as t
from runtime.domain.checks import Breach, Check
from runtime.domain.entry import Draft, Entry
from runtime.domain.grant import Grant, SignedGrant
from runtime.domain.ids import derived_id
from runtime.domain.lifecycle import Status
from runtime.domain.model_state import IncidentState, ModelState
from runtime.domain.state import FleetState
from runtime.policy import approval, deadlines, emergency, incidents, retraining
from runtime.policy.answering import governance_finding

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
    return _agreed(state, state.model(event.model), event.version, now)


def _agreed(state: FleetState, model: ModelState, number: int, now: datetime) -> list[e.Event]:
    approved = approval.after_consent(state, state.spec_of(model), model.name, model.version(number), now)
    return [] if approved is None else [approved]


@_follow.register
def _(event: t.RoleGiven, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    """Somebody who had lost the role in which they agreed counts again."""
    return _agreed_before(state, event.principal, now)


@_follow.register
def _(event: t.TokenCreated, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    return _agreed_before(state, f"user:{event.name}", now)


def _agreed_before(state: FleetState, person: str, now: datetime) -> list[e.Event]:
    waiting = [
        (model, version.number)
        for model in state.models.values()
        if not model.retired
        for version in model.versions.values()
        if version.request is not None and person in version.approvers and approval.may_be_approved(version, now)
    ]
    return [each for model, number in waiting for each in _agreed(state, model, number, now)]


@_follow.register
def _(event: e.ApprovalTimedOut, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    model = state.model(event.model)
    version = model.version(event.version)
    after = approval.after_time_out(state.spec_of(model), model.name, version, now)
    if after is not None:
        return [after]
    told = f"nobody has decided on version {version.number} by {now:%Y-%m-%d %H:%M} UTC; the request stays open"
    breach = Breach(check=Check.APPROVAL, value=1.0, limit=0.0, told=told)
    return [governance_finding(model.name, version.number, now, [breach], version.number, now.isoformat())]


@_follow.register
def _(event: e.RenewalAsked, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    model = state.model(event.model)
    version, spec = model.version(event.version), state.spec_of(model)
    answer = approval.after_renewal(spec, model, version, event.reason, now)
    signed = version.signed
    if isinstance(answer, e.VersionApproved) or signed is None:
        return [answer]
    if not deadlines.is_near_its_end(spec, signed.grant, now):
        return [answer]
    days = (signed.grant.valid_until - now) / timedelta(days=1)
    told = f"{event.reason}: without a new approval it stops serving" if days > 0 else f"{event.reason}: it has stopped"
    breach = Breach(check=Check.GRANT, value=days, limit=0.0, told=told)
    return [answer, governance_finding(model.name, version.number, now, [breach], signed.grant.grant_id)]


@_follow.register
def _(event: e.ApprovalRevoked, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    model, reason = state.model(event.model), f"approval revoked: {event.reason}"
    revoked = _revoke(state, event.model, event.version, reason)
    if model.rollout is None or model.rollout.version != event.version:
        return revoked
    return [*revoked, e.RolloutAborted(model=event.model, version=event.version, reason=reason)]


@_follow.register
def _(event: e.BreakGlassSigned, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    model = state.model(event.model)
    return emergency.after_signature(state.spec_of(model), model, event.version, now)


@_follow.register
def _(event: e.GrantIssued, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    model = state.model(event.model)
    version = model.version(event.version)
    if event.signed.grant.pool != model.pool or not emergency.promotes(version):
        return []
    return [e.VersionPromoted(model=event.model, version=event.version, reason=version.reason)]


@_follow.register
def _(event: e.ModelReviewed, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    if event.found is not e.Fitness.UNFIT:
        return []
    breach = Breach(check=Check.REVIEW, value=1.0, limit=0.0, told=f"found unfit for its use: {event.reason}")
    return [governance_finding(event.model, event.version, now, [breach], "unfit", now.isoformat())]


@_follow.register
def _(event: e.VersionApproved, state: FleetState, now: datetime, sign: Sign) -> list[e.Event]:
    model = state.model(event.model)
    spec = state.spec_of(model)
    registered = model.version(event.version).registered
    wanted = spec.serving.pool_of(event.model)
    grant = Grant(
        grant_id=derived_id("grant", event.model, event.version, event.policy, now.isoformat()),
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
    known = _cause_of(state, event)
    opened = incidents.common_cause(state, event) if known is None else None
    common = opened if known is None else known.opened
    traffic = state.traffic.get(event.model)
    answer = (
        retraining.verdict(event, model, spec, traffic) if common is None else retraining.laid_to(event, spec, common)
    )
    reached = e.VerdictReached(
        finding=event.finding,
        model=event.model,
        verdict=answer,
        policy=spec.policy_digest,
        as_of=event.as_of,
        incident=None if common is None else common.incident,
    )
    return [reached] if opened is None else [opened, reached]


def _cause_of(state: FleetState, event: e.FindingOpened) -> IncidentState | None:
    if event.about is e.FindingKind.GOVERNANCE:
        return None  # no column that broke is the cause of that
    return incidents.known_cause(state, event) or incidents.breakage(state, event)
