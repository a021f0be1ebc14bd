"""What entries about approvals, renewals, revocations and emergencies change.

Whether a request is over is judged by the time of the entry that answers it, so by one clock, the ledger's.
"""

from __future__ import annotations

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.errors import IllegalMove, Refused
from runtime.domain.events.emergencies import SIGNED_WITHIN
from runtime.domain.fold.moves import change, live, moved, update
from runtime.domain.lifecycle import RENEWABLE, Move, Status
from runtime.domain.model_state import ModelState, OpenedGlass, VersionState
from runtime.domain.people import Consent, TimeOut
from runtime.domain.records import replace
from runtime.domain.state import FleetState


@change.register
def _(event: e.ApprovalRequested, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    move = Move.RENEW if event.renewal else Move.REQUEST_APPROVAL
    versions = moved(model, event.version, move, reason=event.reason, request=event, consents=())
    update(state, event.model, entry, versions=versions)


@change.register
def _(event: e.ApprovalGiven, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    version, what = model.version(event.version), f"approve {event.model} version {event.version}"
    request = version.request
    if request is None or not _may_be_approved(version):
        raise Refused(what, f"it is {version.status.value}, and nobody is asked")
    if request.until is not None and entry.time >= request.until:
        raise Refused(what, f"the request ended at {request.until:%Y-%m-%d %H:%M:%S} UTC")
    if entry.principal in version.approvers:
        raise Refused(what, f"{entry.principal} approved it already")
    consent = Consent(entry.principal, event.role or request.people.role, entry.time, event.conditions or ())
    agreed = replace(version, consents=(*version.consents, consent))
    update(state, event.model, entry, versions=model.versions | {event.version: agreed})


@change.register
def _(event: e.ApprovalTimedOut, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    version, what = model.version(event.version), f"end of the request about {event.model} version {event.version}"
    request = version.request
    if request is None or request.until is None or not _may_be_approved(version):
        raise Refused(what, "no request is open that ends")
    if entry.time < request.until:
        raise Refused(what, f"it stands until {request.until:%Y-%m-%d %H:%M:%S} UTC")
    if request.people.then is TimeOut.STAY:
        over = replace(version, request=request.model_copy(update={"until": None}))
        update(state, event.model, entry, versions=model.versions | {event.version: over})


@change.register
def _(event: e.VersionApproved, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    status = model.version(event.version).status
    move = Move.RENEW if status in RENEWABLE else Move.APPROVE
    versions = moved(model, event.version, move, approval=event, reason=event.reason, revoked="")
    if not event.break_glass:
        versions[event.version] = replace(versions[event.version], request=None)
    update(state, event.model, entry, versions=versions)


@change.register
def _(event: e.RenewalAsked, state: FleetState, entry: Entry) -> None:
    version = _renewable(live(state, event.model), event.version, "renew")
    if version.request is not None:
        raise Refused(f"renew {event.model} version {event.version}", "people are asked already")


@change.register
def _(event: e.RenewalRefused, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    version = _renewable(model, event.version, "refuse to renew")
    if version.request is None:
        raise Refused(f"refuse to renew {event.model} version {event.version}", "nobody is asked")
    declined = "" if version.signed is None else version.signed.grant.grant_id
    refused = replace(version, request=None, consents=(), reason=event.reason, declined=declined)
    update(state, event.model, entry, versions=model.versions | {event.version: refused})


@change.register
def _(event: e.ApprovalRevoked, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    version = _renewable(model, event.version, "revoke")
    if version.approval is None:
        raise Refused(f"revoke {event.model} version {event.version}", "it is revoked already")
    fields = {"approval": None, "request": None, "consents": (), "revoked": event.reason, "reason": event.reason}
    update(state, event.model, entry, versions=model.versions | {event.version: replace(version, **fields)})


@change.register
def _(event: e.BreakGlassOpened, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    version, what = model.version(event.version), f"break the glass for {event.model} version {event.version}"
    if not _may_be_approved(version):
        raise Refused(what, f"it is {version.status.value}: its gates must have passed")
    glass = OpenedGlass(event.version, entry.principal, entry.time, event.valid_seconds, event.reason)
    update(state, event.model, entry, glass=glass)


@change.register
def _(event: e.BreakGlassSigned, state: FleetState, entry: Entry) -> None:
    model, glass = live(state, event.model), state.model(event.model).glass
    what = f"sign for {event.model} version {event.version}"
    if glass is None or glass.version != event.version or glass.signed_by is not None:
        raise Refused(what, "nobody wants it to serve at once")
    if entry.principal == glass.by:
        raise Refused(what, f"{glass.by} wants it: another person signs")
    if entry.time >= glass.at + SIGNED_WITHIN:
        raise Refused(what, f"{glass.by} wanted it at {glass.at:%Y-%m-%d %H:%M} UTC, more than an hour ago")
    version = model.version(event.version)
    if not _may_be_approved(version):
        raise Refused(what, f"it is {version.status.value} by now")
    update(state, event.model, entry, glass=replace(glass, signed_by=entry.principal))


def _may_be_approved(version: VersionState) -> bool:
    """Whether a yes of people would change anything: it waits for it, or was approved before and did not fall."""
    return version.status is Status.AWAITING_APPROVAL or version.status in RENEWABLE


def _renewable(model: ModelState, number: int, doing: str) -> VersionState:
    """A version that was approved once and did not fall. Raises ``IllegalMove``."""
    version = model.version(number)
    if version.status not in RENEWABLE:
        raise IllegalMove(f"{doing} {model.name} version {number}", f"it is {version.status.value}, not approved")
    return version
