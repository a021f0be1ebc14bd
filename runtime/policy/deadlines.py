"""What time brings about: the ends of requests, of rights to serve and of models; overdue reviews, owners who are gone.

Computed from state and a moment, so that an operator which died and came back asks for the same with the same keys.
The operator's clock only says when to ask: whether a request or a model is at its end, the ledger's clock decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from runtime.domain import events as e
from runtime.domain.base import rfc3339
from runtime.domain.checks import Breach, Check
from runtime.domain.entry import Draft
from runtime.domain.grant import Grant
from runtime.domain.ids import derived_id
from runtime.domain.lifecycle import RENEWABLE, Status
from runtime.domain.model_state import ModelState, VersionState
from runtime.domain.spec import Spec
from runtime.domain.state import FleetState
from runtime.policy.answering import finding_id, governance_finding
from runtime.policy.plan import OPERATOR
from runtime.policy.seating import holders_of

RENEW_AT_MOST = timedelta(days=14)
_DAY = timedelta(days=1)


def due(state: FleetState, now: datetime) -> list[Draft]:
    """What is to be recorded as of this moment, and was not yet."""
    drafts: list[Draft] = []
    present = present_in(state, now)
    for model in state.models.values():
        if not model.retired:
            drafts += _of_model(state, model, now, present)
    return drafts


def _of_model(state: FleetState, model: ModelState, now: datetime, present: frozenset[str] | None) -> Iterator[Draft]:
    spec = state.spec_of(model)
    if model.retiring is not None and model.retiring.until <= now:
        yield _retired(model)
        return
    for version in model.versions.values():
        if version.request is not None and version.request.until is not None and version.request.until <= now:
            yield from _time_out(model, version)
    champion = model.serving
    if champion is not None:
        yield from _renewal(spec, model, champion, now)
        yield from _review(state, spec, model, champion, now)
        yield from _owner(state, spec, model, champion, now, present)


def _draft(event: e.Event, *key: object) -> Draft:
    return Draft(event, OPERATOR, derived_id(event.kind, *key))


def _retired(model: ModelState) -> Draft:
    retiring = model.retiring
    assert retiring is not None  # noqa: S101 - looked at by the caller
    reason = f"{retiring.reason} (announced on {retiring.since:%Y-%m-%d} by {retiring.by})"
    event = e.ModelRetired(model=model.name, reason=reason, successor=retiring.successor, announced=retiring.until)
    return _draft(event, model.name, rfc3339(retiring.until))


def _time_out(model: ModelState, version: VersionState) -> Iterator[Draft]:
    until = None if version.request is None else version.request.until
    if until is not None and (version.status is Status.AWAITING_APPROVAL or version.status in RENEWABLE):
        event = e.ApprovalTimedOut(model=model.name, version=version.number)
        yield _draft(event, model.name, version.number, rfc3339(until))


def renew_before(spec: Spec) -> timedelta:
    """How long before its end a right to serve is asked for anew."""
    said = spec.approval.renew_before
    return said if said is not None else min(spec.approval.valid_for / 5, RENEW_AT_MOST)


def is_near_its_end(spec: Spec, grant: Grant, now: datetime) -> bool:
    """Whether it is time to ask for a new one."""
    return grant.valid_until - now <= renew_before(spec)


def _renewal(spec: Spec, model: ModelState, champion: VersionState, now: datetime) -> Iterator[Draft]:
    """Asked for once a grant; one that two people gave in an emergency is asked for by that very act."""
    signed, approval = champion.signed, champion.approval
    if signed is None or approval is None or approval.break_glass or champion.request is not None:
        return
    if champion.declined != signed.grant.grant_id and is_near_its_end(spec, signed.grant, now):
        reason = f"its right to serve ends on {signed.grant.valid_until:%Y-%m-%d %H:%M} UTC"
        event = e.RenewalAsked(model=model.name, version=champion.number, reason=reason)
        yield _draft(event, signed.grant.grant_id)


def review_due(spec: Spec, model: ModelState, champion: VersionState) -> datetime | None:
    """When somebody must have looked at it anew; None where its spec asks for no reviews."""
    if spec.review_every is None:
        return None
    last = model.review.at if model.review is not None else champion.registered_at
    return last + spec.review_every


def _review(state: FleetState, spec: Spec, model: ModelState, champion: VersionState, now: datetime) -> Iterator[Draft]:
    until = review_due(spec, model, champion)
    if until is None or spec.review_every is None or until > now:
        return
    late = (now - until) / _DAY
    told = f"a review was due on {until:%Y-%m-%d}; the spec asks for one every {spec.review_every / _DAY:g} days"
    breach = Breach(check=Check.REVIEW, value=late, limit=0.0, told=told)
    yield from _finding(state, model, champion, now, breach, rfc3339(until))


def owner_is_gone(spec: Spec, present: frozenset[str] | None) -> bool:
    """Whether the person who answers for the model is known here no more. None: nobody proves it."""
    return present is not None and spec.owner.person is not None and spec.owner.person not in present


def _owner(
    state: FleetState,
    spec: Spec,
    model: ModelState,
    champion: VersionState,
    now: datetime,
    present: frozenset[str] | None,
) -> Iterator[Draft]:
    if owner_is_gone(spec, present):
        told = f"{spec.owner.person} of {spec.owner.team} holds no key and no role any more: the model has no owner"
        breach = Breach(check=Check.OWNER, of=spec.owner.person or "", value=1.0, limit=0.0, told=told)
        yield from _finding(state, model, champion, now, breach, spec.owner.person)


def _finding(
    state: FleetState, model: ModelState, champion: VersionState, now: datetime, breach: Breach, about: object
) -> Iterator[Draft]:
    if finding_id(model.name, breach.check, about) not in state.findings:
        found = governance_finding(model.name, champion.number, now, [breach], about)
        yield Draft(found, OPERATOR, found.finding)


def present_in(state: FleetState, now: datetime) -> frozenset[str] | None:
    """Who holds a key or a role; None where principals are believed as they are named, so that nobody is ever gone."""
    if state.authentication == "none":
        return None
    holders = holders_of(state.roles, state.tokens.values(), now)
    return frozenset[str]().union(*holders.values())
