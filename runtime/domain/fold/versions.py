"""What entries about versions and grants change."""

from __future__ import annotations

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold.moves import change, live, moved, update
from runtime.domain.lifecycle import Move, Status
from runtime.domain.model_state import VersionState
from runtime.domain.records import replace
from runtime.domain.state import FleetState


@change.register
def _(event: e.VersionRegistered, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    if event.version != model.next_version:
        raise Refused(
            f"register {event.model} version {event.version}", f"the next version number is {model.next_version}"
        )
    version = VersionState(event.version, Status.REGISTERED, event, entry.principal, entry.time)
    update(state, event.model, entry, versions=model.versions | {event.version: version})


@change.register
def _(event: e.VersionEvaluated, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    versions = moved(model, event.version, Move.EVALUATE, report=event.report)
    update(state, event.model, entry, versions=versions)


@change.register
def _(event: e.VersionRefused, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    versions = moved(model, event.version, Move.REFUSE, reason=event.reason, request=None)
    snoozed = versions[event.version].registered.as_of + state.snooze_of(model)
    # An approved version may be at the full step of its rollout, just before it is promoted.
    rollout = None if model.rollout is None or model.rollout.version == event.version else model.rollout
    until = max(model.snoozed_until, snoozed)
    update(state, event.model, entry, versions=versions, rollout=rollout, snoozed_until=until)


@change.register
def _(event: e.GrantIssued, state: FleetState, entry: Entry) -> None:
    model = live(state, event.model)
    version = model.version(event.version)
    if version.approval is None:
        raise Refused(f"grant for {event.model} version {event.version}", "it is not approved")
    pool = event.signed.grant.pool
    home = model.pool or pool
    granted = replace(version, signed=event.signed) if pool == home else replace(version, moving=event.signed)
    versions = model.versions | {event.version: granted}
    pools = model.pools if pool in model.pools else (*model.pools, pool)
    update(state, event.model, entry, versions=versions, pool=home, pools=pools)


@change.register
def _(event: e.GrantRevoked, state: FleetState, entry: Entry) -> None:
    model = state.model(event.model)
    version = model.version(event.version)
    if event.grant_id not in {each.grant.grant_id for each in version.grants}:
        raise Refused(f"revoke grant {event.grant_id}", f"{event.model} version {event.version} does not hold it")
    is_signed = version.signed is not None and version.signed.grant.grant_id == event.grant_id
    revoked = replace(version, signed=None) if is_signed else replace(version, moving=None)
    update(state, event.model, entry, versions=model.versions | {event.version: revoked})
