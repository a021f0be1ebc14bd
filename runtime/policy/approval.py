"""What follows from an evaluation, a consent or the end of a request: refused, approved, or people are asked.

Consents are counted when the newest one comes. Somebody who lost, by then, the role in which they agreed counts no
more: a role that was taken away, a key that was revoked or is over. Of people whom only an identity provider knows the
ledger learns no such thing; they count as they proved to be when they agreed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from runtime.domain.errors import Forbidden, Refused
from runtime.domain.events import (
    ApprovalGiven,
    ApprovalRequested,
    RenewalRefused,
    VersionApproved,
    VersionRefused,
)
from runtime.domain.lifecycle import RENEWABLE, Status
from runtime.domain.model_state import ModelState, VersionState
from runtime.domain.people import Consent, People, TimeOut
from runtime.domain.reports import EvaluationReport, GateResult
from runtime.domain.spec import AutomaticIf, Spec
from runtime.domain.state import FleetState
from runtime.domain.tokens import Role


def after_evaluation(
    spec: Spec, model: str, version: int, report: EvaluationReport, now: datetime
) -> VersionRefused | VersionApproved | ApprovalRequested:
    """The policy's answer to an evaluation report. A report without gates refuses."""
    if not report.passed:
        return VersionRefused(model=model, version=version, reason=_refusal(report.failures))
    unmet = _unmet(spec)
    if not unmet:
        why = f"all {len(report.gates)} gates passed and the risk tier is {spec.risk_tier.value}"
        return _by_policy(spec, model, version, why, now)
    people = spec.approval.people(spec.risk_tier)
    if lacking := _not_judged(people, report):
        reason = f"an approval must rest on the gate {lacking[0]}, which was not judged"
        return VersionRefused(model=model, version=version, reason=reason)
    reason = f"all {len(report.gates)} gates passed; not automatic, since {unmet}"
    return _request(spec, people, model, version, reason, now)


def after_renewal(
    spec: Spec, model: ModelState, version: VersionState, why: str, now: datetime
) -> VersionApproved | ApprovalRequested:
    """The policy's answer to somebody who wants a version to serve for longer."""
    if not (unmet := _unmet(spec) or _not_as_it_was(model, version)):
        return _by_policy(spec, model.name, version.number, f"renewed: {why}", now)
    people = spec.approval.people(spec.risk_tier)
    asked = _request(spec, people, model.name, version.number, f"{why}; not automatic, since {unmet}", now)
    return asked.model_copy(update={"renewal": True})


def after_time_out(
    spec: Spec, model: str, version: VersionState, now: datetime
) -> VersionRefused | RenewalRefused | ApprovalRequested | None:
    """What becomes of a request that nobody decided; ``None`` where it stays."""
    request = version.request
    if request is None or request.people.then is TimeOut.STAY:
        return None
    people, reason = request.people, f"nobody decided until {now:%Y-%m-%d %H:%M} UTC"
    if people.then is TimeOut.ESCALATE:
        asked = _request(spec, people.escalated(), model, version.number, f"{reason}, so others are asked", now)
        return asked.model_copy(update={"renewal": request.renewal})
    if version.status is Status.AWAITING_APPROVAL:
        return VersionRefused(model=model, version=version.number, reason=reason)
    return RenewalRefused(model=model, version=version.number, reason=reason)


def after_consent(
    state: FleetState, spec: Spec, model: str, version: VersionState, now: datetime
) -> VersionApproved | None:
    """Approval once enough principals agreed; ``None`` while more are needed."""
    if version.request is None:
        return None
    people, counted = version.request.people, counting(state, version, now)
    if missing(people, counted):
        return None
    conditions = tuple(dict.fromkeys(each for consent in counted for each in consent.conditions))
    return VersionApproved(
        model=model,
        version=version.number,
        approved_by=tuple(consent.by for consent in counted),
        automatic=False,
        reason=f"{len(counted)} of {people.number} approvals given",
        policy=spec.policy_digest,
        valid_until=now + spec.approval.valid_for,
        conditions=conditions or None,
    )


def may_be_approved(version: VersionState, now: datetime) -> bool:
    """Whether the people who are asked can still decide."""
    request = version.request
    is_open = request is not None and (request.until is None or now < request.until)
    return is_open and (version.status is Status.AWAITING_APPROVAL or version.status in RENEWABLE)


def counting(state: FleetState, version: VersionState, now: datetime) -> tuple[Consent, ...]:
    """The consents of those who still hold the role in which they agreed."""
    return tuple(each for each in version.consents if _still_holds(state, each.by, each.role, now))


def missing(people: People, consents: Sequence[Consent]) -> dict[str, int]:
    """How many people of each role are still to agree; empty when all have."""
    given = Counter(consent.role for consent in consents)
    return {seat.role: seat.approvers - given[seat.role] for seat in people.seats if seat.approvers > given[seat.role]}


def check_consent(version: VersionState, event: ApprovalGiven, principal: str, roles: frozenset[Role]) -> None:
    """Raises ``Forbidden`` for somebody who is not asked, ``Refused`` for a consent on too little evidence."""
    what = f"{event.kind} by {principal}"
    people = People() if version.request is None else version.request.people
    role, seats = event.role or people.role, [seat.role for seat in people.seats]
    if not principal.startswith("user:"):
        raise Forbidden(what, "people approve, neither services nor jobs")
    if role not in seats:
        raise Forbidden(what, f"asked are people of the role {' and '.join(seats)}, not {role}")
    if role not in roles:
        raise Forbidden(what, f"it needs the role {role}; held: {sorted(each.value for each in roles) or 'no role'}")
    if people.among is not None and principal not in people.among:
        raise Forbidden(what, f"asked are {', '.join(people.among)}")
    _check_evidence(people, version, event)


def _check_evidence(people: People, version: VersionState, event: ApprovalGiven) -> None:
    what, evidence = f"approve {event.model} version {event.version}", people.evidence
    if evidence is None:
        return
    if evidence.reason is not None and len(event.reason.strip()) < evidence.reason:
        said = len(event.reason.strip())
        raise Refused(what, f"its reason has {said} characters; the policy asks for {evidence.reason} at least")
    if evidence.card and event.card is None:
        raise Refused(what, "the policy asks for the digest of the model card that was read")
    if evidence.card and event.card != version.registered.card:
        known = version.registered.card or "none that was registered with it"
        raise Refused(what, f"the card that was read is {event.card}; the version's is {known}")


def _still_holds(state: FleetState, person: str, role: str, now: datetime) -> bool:
    """Whether the ledger has the person in the role; of those it does not know at all, their own proof was enough."""
    if state.authentication == "none" or role in state.roles.get(person, ()):
        return True
    keys = [token.key for token in state.tokens.values() if token.key.principal == person]
    if any(role in key.roles and key.is_live(now) for key in keys):
        return True
    return not keys and person not in state.roles


def _request(spec: Spec, people: People, model: str, version: int, reason: str, now: datetime) -> ApprovalRequested:
    return ApprovalRequested(
        model=model,
        version=version,
        approvers=people.number,
        role=people.role,
        reason=reason,
        policy=spec.policy_digest,
        asked=None if people.is_plain else people,
        until=None if people.within is None else now + people.within,
    )


def _by_policy(spec: Spec, model: str, version: int, why: str, now: datetime) -> VersionApproved:
    return VersionApproved(
        model=model,
        version=version,
        approved_by=(f"policy:{spec.policy_digest[7:19]}",),
        automatic=True,
        reason=why,
        policy=spec.policy_digest,
        valid_until=now + spec.approval.valid_for,
    )


def _refusal(failures: tuple[GateResult, ...]) -> str:
    return "; ".join(gate.reason for gate in failures) or "no gate was evaluated"


def _not_judged(people: People, report: EvaluationReport) -> list[str]:
    wanted = () if people.evidence is None else people.evidence.gates or ()
    judged = {gate.gate for gate in report.gates}
    return [gate for gate in wanted if gate not in judged]


def _not_as_it_was(model: ModelState, version: VersionState) -> str:
    """Why what the gates once said is not enough to let a version serve for longer; empty when it is."""
    if version.revoked:
        return f"it was revoked: {version.revoked}"
    if version.report is None or not version.report.passed:
        return "its gates were not passed"
    if model.suspended:
        return "the model is suspended"
    return "a retraining is due, since its errors grew" if model.due is not None or model.batch is not None else ""


def _unmet(spec: Spec) -> str:
    """Why approval is not automatic; empty when it is."""
    conditions = spec.approval.automatic_if
    if not conditions:
        return "the policy has no automatic approval"
    wrong = [
        f"the risk tier is {spec.risk_tier.value}, not {condition.risk_tier.value}"
        for condition in conditions
        if isinstance(condition, AutomaticIf) and condition.risk_tier is not spec.risk_tier
    ]
    return "; ".join(wrong)
