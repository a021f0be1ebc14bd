"""What follows from an evaluation or a consent: refused, approved, or people are asked."""

from __future__ import annotations

from datetime import datetime

from runtime.domain.events import ApprovalRequested, VersionApproved, VersionRefused
from runtime.domain.reports import EvaluationReport, GateResult
from runtime.domain.spec import AutomaticIf, Spec
from runtime.domain.state import VersionState


def after_evaluation(
    spec: Spec, model: str, version: int, report: EvaluationReport, now: datetime
) -> VersionRefused | VersionApproved | ApprovalRequested:
    """The policy's answer to an evaluation report. A report without gates refuses."""
    if not report.passed:
        return VersionRefused(model=model, version=version, reason=_refusal(report.failures))
    unmet = _unmet(spec)
    if unmet:
        return ApprovalRequested(
            model=model,
            version=version,
            approvers=spec.approval.otherwise.approvers,
            role=spec.approval.otherwise.role,
            reason=f"all {len(report.gates)} gates passed; not automatic, since {unmet}",
            policy=spec.policy_digest,
        )
    return VersionApproved(
        model=model,
        version=version,
        approved_by=(f"policy:{spec.policy_digest[7:19]}",),
        automatic=True,
        reason=f"all {len(report.gates)} gates passed and the risk tier is {spec.risk_tier.value}",
        policy=spec.policy_digest,
        valid_until=now + spec.approval.valid_for,
    )


def after_consent(spec: Spec, model: str, version: VersionState, now: datetime) -> VersionApproved | None:
    """Approval once enough principals agreed; ``None`` while more are needed."""
    if len(version.approvers) < version.needed:
        return None
    return VersionApproved(
        model=model,
        version=version.number,
        approved_by=version.approvers,
        automatic=False,
        reason=f"{len(version.approvers)} of {version.needed} approvals given",
        policy=spec.policy_digest,
        valid_until=now + spec.approval.valid_for,
    )


def _refusal(failures: tuple[GateResult, ...]) -> str:
    return "; ".join(gate.reason for gate in failures) or "no gate was evaluated"


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
