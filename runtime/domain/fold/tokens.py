"""What entries about keys and roles change."""

from __future__ import annotations

from runtime.domain import tokens as t
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold.moves import change
from runtime.domain.records import replace
from runtime.domain.state import FleetState, TokenState


@change.register
def _(event: t.AuthenticationSet, state: FleetState, entry: Entry) -> None:
    if event.mode == state.authentication:
        raise Refused("change of authentication", f"it is {event.mode} already")
    state.authentication = event.mode


@change.register
def _(event: t.TokenCreated, state: FleetState, entry: Entry) -> None:
    if event.token in state.tokens:
        raise Refused(f"key {event.token}", "there is a key of this id")
    if event.expires <= entry.time:
        raise Refused(f"key {event.token}", f"it would have expired on {event.expires:%Y-%m-%d %H:%M:%S} already")
    key = t.Key(
        token=event.token,
        name=event.name,
        roles=event.roles,
        models=event.models,
        per_second=event.per_second,
        expires=event.expires,
        secret=event.secret,
    )
    state.tokens[event.token] = TokenState(key, entry.principal, entry.time, entry.seq)


@change.register
def _(event: t.TokenRevoked, state: FleetState, entry: Entry) -> None:
    token = state.tokens.get(event.token)
    if token is None or token.key.revoked:
        raise Refused(f"revocation of key {event.token}", "no such key is in force")
    key = token.key.model_copy(update={"revoked": True})
    state.tokens[event.token] = replace(token, key=key, seq=entry.seq, reason=event.reason)


@change.register
def _(event: t.RoleGiven, state: FleetState, entry: Entry) -> None:
    held = state.roles.get(event.principal, ())
    if event.role in held:
        raise Refused(f"role {event.role} for {event.principal}", "it is held already")
    state.roles[event.principal] = (*held, event.role)


@change.register
def _(event: t.RoleTaken, state: FleetState, entry: Entry) -> None:
    held = state.roles.get(event.principal, ())
    if event.role not in held:
        raise Refused(f"taking role {event.role} from {event.principal}", "it was not given")
    state.roles[event.principal] = tuple(role for role in held if role != event.role)


@change.register
def _(event: t.AccessRefused, state: FleetState, entry: Entry) -> None:
    refused = state.totals.refused_requests + event.requests
    state.totals = replace(state.totals, refused_requests=refused)
