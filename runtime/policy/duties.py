"""Separation of duties beyond the table of roles: who made something does not also let it pass.

registers a version                 never approves, routes or reviews it, and breaks no glass for it
takes part in breaking the glass    never reviews that
is not asked (role, name)           never counts as an approver
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

from pydantic import ValidationError

from runtime.domain import events as e
from runtime.domain import findings as f
from runtime.domain.checks import Check
from runtime.domain.errors import Forbidden, Refused
from runtime.domain.model_state import FindingState
from runtime.domain.spec import Spec
from runtime.domain.state import FleetState
from runtime.domain.tokens import Role
from runtime.policy import approval, seating
from runtime.policy.emergency import check_spec_allows

Held = frozenset[Role]


@singledispatch
def check_duties(event: Any, state: FleetState, principal: str, roles: Held) -> None:
    """Raises ``Forbidden`` or ``Refused``; most events are nobody's but their role's."""


@check_duties.register
def _(event: e.SpecApplied, state: FleetState, principal: str, roles: Held) -> None:
    try:
        spec = Spec.model_validate(event.spec)
    except ValidationError:
        return  # the fold says what is wrong with it
    for reason in seating.never(spec):
        raise Refused(f"spec {event.name}", reason)


@check_duties.register
def _(event: e.ApprovalGiven, state: FleetState, principal: str, roles: Held) -> None:
    version = state.model(event.model).version(event.version)
    if version.registered_by == principal:
        what = f"approval of {event.model} version {event.version} by {principal}"
        raise Forbidden(what, "who registered a version may not approve it")
    approval.check_consent(version, event, principal, roles)


def _not_by_who_registered(doing: str) -> Callable[[Any, FleetState, str, Held], None]:
    def check(event: Any, state: FleetState, principal: str, roles: Held) -> None:
        if state.model(event.model).version(event.version).registered_by == principal:
            what = f"{event.kind} of {event.model} version {event.version} by {principal}"
            raise Forbidden(what, f"who registered a version may not {doing} it")

    return check


for _kind in (e.RolloutStarted, e.RolloutAdvanced, e.VersionPromoted):
    check_duties.register(_kind, _not_by_who_registered("route"))
check_duties.register(e.ModelReviewed, _not_by_who_registered("review"))


def _break_glass(event: Any, state: FleetState, principal: str, roles: Held) -> None:
    if not principal.startswith("user:"):
        raise Forbidden(f"{event.kind} by {principal}", "people break the glass, neither services nor jobs")
    _not_by_who_registered("break the glass for")(event, state, principal, roles)
    model = state.model(event.model)
    glass = model.glass
    seconds = event.valid_seconds if isinstance(event, e.BreakGlassOpened) else glass.valid_seconds if glass else 0
    check_spec_allows(state.spec_of(model), event.model, event.version, seconds)


check_duties.register(e.BreakGlassOpened, _break_glass)
check_duties.register(e.BreakGlassSigned, _break_glass)


@check_duties.register
def _(event: e.FindingOpened, state: FleetState, principal: str, roles: Held) -> None:
    if event.about is not e.FindingKind.GOVERNANCE and Role.MONITOR not in roles:
        raise Forbidden(f"{event.kind} by {principal}", f"{event.about.value} is found by the monitor alone")


@check_duties.register
def _(event: f.FindingAnswered, state: FleetState, principal: str, roles: Held) -> None:
    found = state.findings.get(event.finding)
    if found is None or not is_broken_glass(found):
        return
    what = f"{event.answer.value} as the answer to finding {event.finding}"
    if event.answer is f.Answer.SNOOZED:
        raise Refused(what, "a broken glass stays open until it was reviewed")
    taking_part = {breach.of for breach in found.opened.breaches or ()}
    if event.answer in f.FINAL and principal in taking_part:
        raise Forbidden(f"{what} by {principal}", "who broke the glass may not review it")


def is_broken_glass(found: FindingState) -> bool:
    """Whether the finding tells that two people let a version serve."""
    return any(breach.check is Check.BREAK_GLASS for breach in found.opened.breaches or ())
