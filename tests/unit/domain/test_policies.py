"""Policies: what may be overridden, who puts them in force, and what decides from that entry on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from runtime.domain import events as e
from runtime.domain.errors import Refused, SpecError
from runtime.domain.load import load_policy
from runtime.domain.policy_document import PolicyDocument, overridden, ruled
from runtime.governance.images import EMPTY, Image, changes, state_of
from tests.unit.domain.lives import MODEL, History, a_spec, applied, digest

ADA, BOB = "user:ada", "user:bob"


def a_policy(**said: Any) -> PolicyDocument:
    return PolicyDocument.model_validate({"kind": "policy", "name": "cautious", "about": "fewer retrainings"} | said)


def proposed(policy: PolicyDocument) -> e.PolicyProposed:
    document = policy.as_document()
    return e.PolicyProposed(name=policy.name, digest=policy.digest, document=document, reason="winter")


def agreed(policy: PolicyDocument) -> e.PolicyApproved:
    return e.PolicyApproved(name=policy.name, digest=policy.digest, reason="looked at")


def in_force(*policies: PolicyDocument) -> History:
    history = History.of()
    for policy in policies:
        history.after(proposed(policy), by=ADA).after(agreed(policy), by=BOB)
    return history


def test_only_what_was_written_is_overridden() -> None:
    spec = a_spec(retrain={"degraded_by": 0.2, "snooze": "14d"})
    under = ruled(spec, [a_policy(retrain={"degraded_by": "50%"})])
    assert under.retrain == spec.retrain.model_copy(update={"degraded_by": 0.5})
    assert overridden(spec, under) == [("retrain.degraded_by", 0.2, 0.5)]
    assert under.policy_digest != spec.policy_digest


def test_a_later_policy_rules_over_an_earlier_one_field_by_field() -> None:
    first = a_policy(name="first", retrain={"degraded_by": 0.5, "snooze": "7d"}, guardrail={"worse_by": 0.3})
    under = ruled(a_spec(), [first, a_policy(name="second", retrain={"degraded_by": 0.9})])
    assert (under.retrain.degraded_by, under.retrain.snooze.days, under.guardrail.worse_by) == (0.9, 7, 0.3)


@pytest.mark.parametrize(
    ("said", "rules"),
    [
        ({}, True),
        ({"specs": ["flight-*"]}, True),
        ({"specs": ["eta-*"]}, False),
        ({"risk_tiers": ["low", "medium"]}, True),
        ({"risk_tiers": ["high"]}, False),
    ],
)
def test_it_is_for_the_specs_and_tiers_that_it_names(said: dict[str, Any], rules: bool) -> None:
    assert a_policy(**said).rules(a_spec()) is rules
    assert (ruled(a_spec(), [a_policy(guardrail={"worse_by": 0.7}, **said)]) != a_spec()) is rules


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"retrain": {"data": "last 30d"}}, "a field that decides"),
        ({"monitor": {"features": ["hour"]}}, "a field that decides"),
        ({"rollout": [{"shadow": 30}]}, "full: true"),
        ({"alarm_budget": 0}, "greater than 0"),
    ],
)
def test_what_a_version_is_made_of_is_no_policys_to_say(said: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError, match=place):
        a_policy(**said)


def test_a_document_read_back_is_the_same_policy() -> None:
    policy = a_policy(monitor={"false_alarm_every": 500}, rollout=[{"shadow": 30}, {"full": True}], alarm_budget=4)
    again = PolicyDocument.model_validate(policy.as_document())
    assert (again.digest, again.as_document()) == (policy.digest, policy.as_document())


def test_a_file_that_is_wrong_is_told_by_line_and_place(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("kind: policy\nname: cautious\nabout: why\nretrain:\n  degraded_bye: 1\n")
    with pytest.raises(SpecError, match=r"policy.yaml:5: retrain.degraded_bye: .*did you mean 'degraded_by'"):
        load_policy(file)


# --- in the ledger ---------------------------------------------------------------------------------


def test_a_proposal_decides_nothing() -> None:
    history = History.of().after(proposed(a_policy(retrain={"degraded_by": 0.5})), by=ADA)
    assert history.state.spec_of(history.model) is history.state.specs["flights"]
    assert history.state.policies["cautious"].standing == "proposed"


def test_from_its_approval_on_it_decides_and_verdicts_name_its_digest() -> None:
    policy = a_policy(retrain={"degraded_by": 0.5}, alarm_budget=4)
    history = in_force(policy)
    spec = history.state.spec_of(history.model)
    assert spec.retrain.degraded_by == 0.5
    assert spec.policy_digest != a_spec().policy_digest
    assert history.state.alarm_budget == 4
    known = history.state.policies["cautious"]
    assert known.in_force is not None
    assert (known.in_force.proposed_by, known.in_force.approved_by, known.in_force.approved) == (ADA, BOB, 3)


def test_who_proposed_a_policy_cannot_approve_it() -> None:
    policy = a_policy()
    with pytest.raises(Refused, match="user:ada proposed it; a second person must agree"):
        History.of().after(proposed(policy), by=ADA).after(agreed(policy), by=ADA)


def test_what_is_approved_is_the_proposal_that_was_looked_at() -> None:
    old, new = a_policy(retrain={"degraded_by": 0.5}), a_policy(retrain={"degraded_by": 5.0})
    history = History.of().after(proposed(old), by=ADA).after(proposed(new), by=ADA)
    with pytest.raises(Refused, match="what waits is"):
        history.after(agreed(old), by=BOB)


def test_a_newer_version_takes_the_place_of_the_older_whole() -> None:
    first = a_policy(retrain={"degraded_by": 0.5})
    second = a_policy(guardrail={"worse_by": 0.4})
    history = in_force(first, second)
    spec = history.state.spec_of(history.model)
    assert (spec.retrain.degraded_by, spec.guardrail.worse_by) == (a_spec().retrain.degraded_by, 0.4)
    assert history.state.policies["cautious"].former == (first.digest,)


def test_a_policy_rules_a_spec_that_is_applied_after_it() -> None:
    history = in_force(a_policy(retrain={"degraded_by": 0.5})).after(applied(a_spec(purpose="other")))
    spec = history.state.spec_of(history.model)
    assert (spec.retrain.degraded_by, spec.purpose) == (0.5, "other")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"digest": digest("other")}, "its content hashes to"),
        ({"name": "reckless"}, "its document is named cautious"),
        ({"document": {"kind": "policy"}}, "it is not a valid policy"),
    ],
)
def test_a_proposal_that_is_not_what_it_says_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        History.of().after(proposed(a_policy()).model_copy(update=change), by=ADA)


def test_a_rejected_proposal_waits_no_more() -> None:
    policy = a_policy()
    rejected = e.PolicyRejected(name=policy.name, digest=policy.digest, reason="no")
    history = History.of().after(proposed(policy), by=ADA).after(rejected, by=BOB)
    assert history.state.policies["cautious"].standing == "rejected"
    with pytest.raises(Refused, match="no proposal of that name waits"):
        history.after(agreed(policy), by=BOB)


def test_a_snapshot_keeps_policies_and_what_they_decide() -> None:
    history = in_force(a_policy(retrain={"degraded_by": 0.5}))
    again = state_of([b"\n".join(changes(EMPTY, Image.of(history.state)))])
    assert again == history.state
    assert again.spec_of(again.model(MODEL)).retrain.degraded_by == 0.5
