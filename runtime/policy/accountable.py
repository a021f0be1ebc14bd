"""A model in one line of the inventory: who answers for it, what it may do, until when, and what is overdue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from runtime.domain.model_state import ModelState
from runtime.domain.state import FleetState
from runtime.policy.deadlines import owner_is_gone, present_in, review_due


@dataclass(frozen=True, slots=True)
class Line:
    """What is so at one moment."""

    model: str
    team: str
    contact: str
    person: str | None
    risk_tier: str
    environment: str
    pool: str | None
    status: str
    champion: int | None
    may_serve_until: datetime | None
    reviewed: datetime | None
    review_due: datetime | None
    retires: datetime | None
    successor: str | None
    overdue: tuple[str, ...]


def lines(state: FleetState, now: datetime) -> Iterator[Line]:
    """All models, by name, as of a moment."""
    present = present_in(state, now)
    for name in sorted(state.models):
        yield _line(state, state.models[name], now, present)


def _line(state: FleetState, model: ModelState, now: datetime, present: frozenset[str] | None) -> Line:
    spec, champion = state.spec_of(model), model.serving
    signed = None if champion is None else champion.signed
    due = None if champion is None else review_due(spec, model, champion)
    return Line(
        model=model.name,
        team=spec.owner.team,
        contact=spec.owner.contact,
        person=spec.owner.person,
        risk_tier=spec.risk_tier.value,
        environment=spec.serving.environment,
        pool=model.pool or None,
        status=status_of(model),
        champion=model.champion,
        may_serve_until=None if signed is None else signed.grant.valid_until,
        reviewed=None if model.review is None else model.review.at,
        review_due=due,
        retires=None if model.retiring is None else model.retiring.until,
        successor=None if model.retiring is None else model.retiring.successor,
        overdue=()
        if model.retired
        else tuple(
            what
            for what, holds in (
                ("review", due is not None and due <= now),
                ("owner gone", owner_is_gone(spec, present)),
                ("may not serve", champion is not None and (signed is None or signed.grant.valid_until <= now)),
            )
            if holds
        ),
    )


def status_of(model: ModelState) -> str:
    """In one word or two: does it answer?"""
    if model.retired:
        return "retired"
    if model.suspended:
        return "suspended"
    if model.champion is None:
        return "no champion"
    return "to be retired" if model.retiring is not None else "serving"
