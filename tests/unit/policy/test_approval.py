"""Approval: gates refuse, low risk may pass by itself, otherwise people are asked and counted."""

from datetime import timedelta

import pytest

from runtime.domain import events as e
from runtime.domain.reports import EvaluationReport
from runtime.policy.approval import after_consent, after_evaluation
from tests.unit.domain.lives import (
    MODEL,
    MONDAY,
    History,
    a_report,
    a_spec,
    approval_given,
    approval_requested,
    evaluated,
    registered,
)


def test_a_gate_that_failed_refuses_the_version_with_its_reason() -> None:
    answer = after_evaluation(a_spec(), MODEL, 1, a_report(passed=False), MONDAY)
    assert answer == e.VersionRefused(model=MODEL, version=1, reason="MAE 12 > 30")


def test_a_report_without_gates_refuses() -> None:
    empty = EvaluationReport(metrics={"mae": 1.0}, rows=100)
    answer = after_evaluation(a_spec(), MODEL, 1, empty, MONDAY)
    assert answer == e.VersionRefused(model=MODEL, version=1, reason="no gate was evaluated")


def test_low_risk_is_approved_by_the_policy_for_its_validity() -> None:
    spec = a_spec()
    answer = after_evaluation(spec, MODEL, 1, a_report(), MONDAY)
    assert isinstance(answer, e.VersionApproved)
    assert answer.automatic
    assert answer.approved_by == (f"policy:{spec.policy_digest[7:19]}",)
    assert answer.valid_until == MONDAY + timedelta(days=90)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"risk_tier": "high"}, "the risk tier is high, not low"),
        ({"approval": {}}, "the policy has no automatic approval"),
        ({"approval": {"automatic_if": []}}, "the policy has no automatic approval"),
    ],
)
def test_otherwise_people_are_asked_and_told_why(changes: dict[str, object], reason: str) -> None:
    answer = after_evaluation(a_spec(**changes), MODEL, 1, a_report(), MONDAY)
    assert isinstance(answer, e.ApprovalRequested)
    assert answer.reason == f"all 1 gates passed; not automatic, since {reason}"


def test_an_approval_waits_for_all_approvers_the_request_asked_for() -> None:
    spec = a_spec(risk_tier="high", approval={"otherwise": {"approvers": 2}, "valid_for": "30d"})
    history = History.of(registered(), evaluated(), approval_requested(approvers=2), spec=spec)
    history.after(approval_given(), by="user:ada")
    assert after_consent(history.state, spec, MODEL, history.version(), MONDAY) is None
    history.after(approval_given(), by="user:bob")
    answer = after_consent(history.state, spec, MODEL, history.version(), MONDAY)
    assert answer is not None
    assert (answer.approved_by, answer.automatic) == (("user:ada", "user:bob"), False)
    assert answer.reason == "2 of 2 approvals given"
    assert answer.valid_until == MONDAY + timedelta(days=30)
