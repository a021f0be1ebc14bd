"""Breaking the glass: what follows when two people let a version serve without the approval that its policy asks for.

version_approved (until the short end), grant_issued, version_promoted where it is no champion yet,
a finding that stays open until somebody else reviewed it, and a request for the approval that is still to come
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from runtime.domain import events as e
from runtime.domain.checks import Breach, Check
from runtime.domain.errors import Forbidden
from runtime.domain.lifecycle import Status
from runtime.domain.model_state import ModelState, OpenedGlass, VersionState
from runtime.domain.people import BreakGlass
from runtime.domain.spec import Spec
from runtime.policy.answering import governance_finding

AT_MOST: Final = timedelta(hours=4)
"""Where a spec says nothing."""

PROMOTED_FROM = frozenset({Status.APPROVED, Status.SHADOW, Status.CANARY})


def longest(spec: Spec) -> timedelta:
    """How long two people may let a version serve; not at all where the spec forbids it."""
    said = spec.approval.break_glass
    if said == "forbidden":
        return timedelta(0)
    return said.at_most if isinstance(said, BreakGlass) else AT_MOST


def check_spec_allows(spec: Spec, model: str, version: int, seconds: int) -> None:
    """Raises ``Forbidden``."""
    what, most = f"breaking the glass for {model} version {version}", longest(spec)
    if not most:
        raise Forbidden(what, "its spec forbids it (approval.break_glass)")
    if timedelta(seconds=seconds) > most:
        raise Forbidden(what, f"{timedelta(seconds=seconds)} is longer than its spec allows, {most}")


def after_signature(spec: Spec, model: ModelState, number: int, now: datetime) -> list[e.Event]:
    """What two people's word brings about; its grant and its promotion follow from the approval."""
    glass = model.glass
    if glass is None or glass.signed_by is None:
        return []
    signer = glass.signed_by
    version, until = model.version(number), now + timedelta(seconds=glass.valid_seconds)
    said = f"glass broken by {glass.by}, signed by {signer}: {glass.reason}"
    approved = e.VersionApproved(
        model=model.name,
        version=number,
        approved_by=(glass.by, signer),
        automatic=False,
        reason=said,
        policy=spec.policy_digest,
        valid_until=until,
        break_glass=True,
    )
    return [*_room(model, number), approved, _told(version, glass, signer, now), *_regular(spec, version, said)]


def _room(model: ModelState, number: int) -> list[e.Event]:
    """Another version's rollout ends: two people have decided what serves."""
    running = model.rollout
    if running is None or running.version == number:
        return []
    reason = f"the glass was broken for version {number}"
    return [e.RolloutAborted(model=model.name, version=running.version, reason=reason)]


def _told(version: VersionState, glass: OpenedGlass, signer: str, now: datetime) -> e.FindingOpened:
    hours = glass.valid_seconds / 3600
    told = f"let version {version.number} serve for {hours:g} h without its approval: {glass.reason}"
    breaches = [
        Breach(check=Check.BREAK_GLASS, of=who, value=hours, limit=0.0, told=told) for who in (glass.by, signer)
    ]
    return governance_finding(version.registered.model, version.number, now, breaches, glass.at.isoformat(), signer)


def _regular(spec: Spec, version: VersionState, said: str) -> list[e.Event]:
    """The approval that is still to come is asked for, unless it is already."""
    if version.request is not None:
        return []
    people = spec.approval.people(spec.risk_tier)
    asked = e.ApprovalRequested(
        model=version.registered.model,
        version=version.number,
        approvers=people.number,
        role=people.role,
        reason=said,
        policy=spec.policy_digest,
        asked=None if people.is_plain else people,
        renewal=True,
    )
    return [asked]


def promotes(version: VersionState) -> bool:
    """Whether a version that was just granted the right to serve is to be the champion without a rollout."""
    approval = version.approval
    return approval is not None and approval.break_glass is True and version.status in PROMOTED_FROM
