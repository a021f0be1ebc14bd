"""What is said of who may ask and act, and of the governor."""

from __future__ import annotations

from runtime.console.sentences.told import Told, tell
from runtime.console.words import (
    count,
    day,
    listed,
    ordinal,
    short,
)
from runtime.domain import events as e
from runtime.domain import policies as p
from runtime.domain import tokens as t


@tell.register
def _(event: t.AuthenticationSet) -> Told:
    what = "who asks and who acts must prove who they are"
    return Told(what if event.mode == "required" else "principals are believed as they are named", about="fleet")


@tell.register
def _(event: t.TokenCreated) -> Told:
    models = f" on {listed(event.models)}" if event.models else ""
    quota = "" if event.per_second is None else f", at most {event.per_second:g} requests/s a replica"
    numbers = f"{listed(event.roles)}{models}{quota}, until {day(event.expires)}"
    return Told(f"key {event.token} made for {event.name}", numbers=numbers, about="access")


@tell.register
def _(event: t.TokenRevoked) -> Told:
    return Told(f"key {event.token} revoked", event.reason, about="access")


@tell.register
def _(event: t.RoleGiven) -> Told:
    return Told(f"role {event.role} given to {event.principal}", event.reason, about="access")


@tell.register
def _(event: t.RoleTaken) -> Told:
    return Told(f"role {event.role} taken from {event.principal}", event.reason, about="access")


@tell.register
def _(event: t.AccessRefused) -> Told:
    what = f"replica {event.replica} refused {count(event.requests, 'request')}"
    who = f" of {event.caller}" if event.caller else " of nobody known"
    return Told(f"{what}{who}", event.reason, about=event.model or "access")


@tell.register
def _(event: p.PolicyProposed) -> Told:
    return Told(f"policy {event.name} proposed ({short(event.digest)})", event.reason, about="fleet")


@tell.register
def _(event: p.PolicyApproved) -> Told:
    return Told(f"policy {event.name} approved and in force ({short(event.digest)})", event.reason, about="fleet")


@tell.register
def _(event: p.PolicyRejected) -> Told:
    return Told(f"policy {event.name} rejected ({short(event.digest)})", event.reason, about="fleet")


@tell.register
def _(event: e.GovernorStarted) -> Told:
    return Told(
        f"governor started for the {ordinal(event.epoch)} time", numbers=f"with key {event.key_id}", about="fleet"
    )


@tell.register
def _(event: e.CommandRefused) -> Told:
    return Told(f"command {event.command} refused", event.reason, about=event.model or "fleet")
