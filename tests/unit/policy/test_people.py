"""Whom an approval asks: roles with their numbers, names, evidence, and what becomes of a request in the end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from runtime.domain import events as e
from runtime.domain.errors import FleetwardError, Forbidden, Refused
from runtime.domain.people import People
from runtime.domain.spec import Approval, RiskTier
from runtime.domain.tokens import GIVEN, Authenticated, AuthenticationSet, Role, RoleGiven, RoleTaken, TokenRevoked
from runtime.policy.access import check
from runtime.policy.approval import after_consent, after_evaluation, after_time_out, counting, missing
from runtime.policy.seating import holders_of, never, short_of_people
from tests.unit.domain.lives import (
    MODEL,
    MONDAY,
    History,
    a_report,
    a_spec,
    approval_given,
    digest,
    evaluated,
    registered,
)
from tests.unit.policy.keys import a_key

ADA, BOB, CY = "user:ada", "user:bob", "user:cy"


def waiting(by: str = "job:train", **people: Any) -> History:
    """A version about which these people are asked."""
    spec = a_spec(risk_tier="high", approval={"otherwise": people})
    history = History.of(spec=spec).after(registered().model_copy(update={"card": digest("card")}), by=by)
    history.after(evaluated())
    answer = after_evaluation(spec, MODEL, 1, a_report(), at(history))
    return history.after(answer)


def at(history: History) -> datetime:
    return MONDAY + timedelta(minutes=history.state.size)


def agree(history: History, by: str, **said: Any) -> e.Event | None:
    """A consent, as the governor takes it: checked, recorded, and answered by the policy."""
    event = approval_given().model_copy(update=said)
    check(history.state, event, by)
    history.record(event, by)
    spec = history.state.spec_of(history.model)
    return after_consent(history.state, spec, MODEL, history.version(), at(history))


def _asked(history: History) -> People:
    request = history.version().request
    assert request is not None
    return request.people


def refusal(history: History, by: str, **said: Any) -> str:
    with pytest.raises(FleetwardError) as caught:
        agree(history, by, **said)
    assert isinstance(caught.value, Refused)
    return caught.value.reason


def test_a_plain_policy_asks_as_it_always_did() -> None:
    request = waiting(approvers=2).version().request
    assert request is not None
    assert request.as_document().keys() == {"kind", "model", "version", "approvers", "role", "reason", "policy"}


def test_the_people_of_the_models_tier_are_asked() -> None:
    approval = Approval.model_validate({"by_tier": {"high": {"approvers": 3}}, "otherwise": {"approvers": 2}})
    assert (approval.people(RiskTier.HIGH).number, approval.people(RiskTier.LOW).number) == (3, 2)


def test_each_role_has_its_own_number_and_nobody_takes_two_seats() -> None:
    history = waiting(approvers=1, also=[{"role": "operator", "approvers": 1}])
    assert agree(history, ADA) is None
    assert missing(_asked(history), history.version().consents) == {"operator": 1}
    assert "approved it already" in refusal(history, ADA, role="operator")
    answer = agree(history, BOB, role="operator")
    assert isinstance(answer, e.VersionApproved)
    assert (answer.approved_by, answer.reason) == ((ADA, BOB), "2 of 2 approvals given")


def test_two_of_one_role_are_not_one_of_each() -> None:
    history = waiting(approvers=1, also=[{"role": "operator", "approvers": 1}])
    assert agree(history, ADA) is None
    assert agree(history, BOB) is None
    assert isinstance(agree(history, CY, role="operator"), e.VersionApproved)


def test_the_role_that_a_policy_names_is_the_one_that_must_be_held() -> None:
    history = waiting(role="admin").after(AuthenticationSet(mode="required"))
    with pytest.raises(Forbidden, match=r"it needs the role admin; held: \['approver'\]"):
        check(history.state, approval_given(), BOB, Authenticated(BOB, frozenset({Role.APPROVER})))
    check(history.state, approval_given(), BOB, Authenticated(BOB, frozenset({Role.ADMIN})))
    with pytest.raises(Forbidden, match="asked are people of the role admin, not approver"):
        check(history.state, e.ApprovalGiven(model=MODEL, version=1, reason="", role="approver"), BOB, _all(BOB))


def _all(principal: str) -> Authenticated:
    return Authenticated(principal, GIVEN)


def test_only_those_who_are_named_count() -> None:
    history = waiting(approvers=2, among=[ADA, BOB, CY])
    assert "asked are user:ada, user:bob, user:cy" in refusal(history, "user:eve")
    assert agree(history, CY) is None
    assert isinstance(agree(history, ADA), e.VersionApproved)


@pytest.mark.parametrize("principal", ["service:operator", "job:replay", "service:governor"])
def test_a_service_takes_no_seat_even_of_its_own_role(principal: str) -> None:
    assert "people approve" in refusal(waiting(role="operator"), principal)


def test_a_short_reason_and_an_unread_card_are_no_evidence() -> None:
    history = waiting(evidence={"reason": 20, "card": True})
    long = "looked at all of the slices"
    assert "its reason has 2 characters; the policy asks for 20 at least" in refusal(history, ADA, reason=" ok ")
    assert "the digest of the model card that was read" in refusal(history, ADA, reason=long)
    assert f"the card that was read is {digest('old')}" in refusal(history, ADA, reason=long, card=digest("old"))
    assert isinstance(agree(history, ADA, reason=long, card=digest("card")), e.VersionApproved)


def test_a_gate_that_an_approval_must_rest_on_has_to_be_judged() -> None:
    def answer(gate: str) -> e.Event:
        people = {"evidence": {"gates": [gate]}}
        spec = a_spec(risk_tier="high", approval={"otherwise": people})
        return after_evaluation(spec, MODEL, 1, a_report(), MONDAY)

    assert isinstance(answer("mae"), e.ApprovalRequested)
    refused = answer("fairness")
    assert isinstance(refused, e.VersionRefused)
    assert refused.reason == "an approval must rest on the gate fairness, which was not judged"


def test_conditions_of_all_who_agree_go_with_the_approval() -> None:
    history = waiting(approvers=2)
    agree(history, ADA, conditions=("in summer",))
    answer = agree(history, BOB, conditions=("in summer", "by day"))
    assert isinstance(answer, e.VersionApproved)
    assert answer.conditions == ("in summer", "by day")


# --- who counts ------------------------------------------------------------------------------------------


def required(**people: Any) -> History:
    history = waiting(**people).after(AuthenticationSet(mode="required"))
    for name in (ADA, BOB):
        history.after(RoleGiven(principal=name, role=Role.APPROVER, reason=""))
    return history


def approved_by(history: History) -> tuple[str, ...]:
    return tuple(consent.by for consent in counting(history.state, history.version(), at(history)))


def test_who_loses_the_role_midway_counts_no_more_and_does_again_when_it_comes_back() -> None:
    history = required(approvers=2).after(approval_given(), by=ADA)
    assert approved_by(history) == (ADA,)
    history.after(RoleTaken(principal=ADA, role=Role.APPROVER, reason="")).after(approval_given(), by=BOB)
    assert approved_by(history) == (BOB,)
    spec = history.state.spec_of(history.model)
    assert after_consent(history.state, spec, MODEL, history.version(), at(history)) is None
    history.after(RoleGiven(principal=ADA, role=Role.APPROVER, reason=""))
    assert approved_by(history) == (ADA, BOB)
    assert after_consent(history.state, spec, MODEL, history.version(), at(history)) is not None


def test_a_key_that_is_revoked_or_over_takes_its_consent_with_it() -> None:
    history = waiting(approvers=2).after(AuthenticationSet(mode="required"))
    history.after(a_key("a", "cy", expires=MONDAY + timedelta(days=1)), a_key("b", "dan"))
    history.after(approval_given(), by=CY).after(approval_given(), by="user:dan")
    assert approved_by(history) == (CY, "user:dan")
    assert [each.by for each in counting(history.state, history.version(), MONDAY + timedelta(days=2))] == ["user:dan"]
    history.after(TokenRevoked(token="b" * 16, reason=""))
    assert approved_by(history) == (CY,)


def test_somebody_whom_only_an_identity_provider_knows_counts_as_they_proved_to_be() -> None:
    history = required(approvers=2).after(approval_given(), by="user:https://login.example.com/|7")
    assert approved_by(history) == ("user:https://login.example.com/|7",)


# --- the end of a request --------------------------------------------------------------------------------


def test_a_request_ends_by_the_ledgers_clock_whatever_others_say() -> None:
    history = waiting(approvers=2, within="10m")
    request = history.version().request
    assert request is not None
    assert request.until == MONDAY + timedelta(minutes=4 + 10)
    history.record(approval_given(), ADA)
    with pytest.raises(Refused, match="it stands until 2026-03-02 00:14:00"):
        history.record(e.ApprovalTimedOut(model=MODEL, version=1))
    while at(history) < request.until:
        history.record(e.ModelDeclared(model=MODEL, spec="flights", partition={"carrier": "UA"}))
    with pytest.raises(Refused, match="the request ended at 2026-03-02 00:14:00"):
        history.record(approval_given(), BOB)
    history.record(e.ApprovalTimedOut(model=MODEL, version=1))


@pytest.mark.parametrize("then", [None, "refuse"])
def test_a_request_that_nobody_decided_refuses(then: str | None) -> None:
    history = waiting(within="10m", **({} if then is None else {"then": then}))
    answer = after_time_out(history.state.spec_of(history.model), MODEL, history.version(), MONDAY)
    assert answer == e.VersionRefused(model=MODEL, version=1, reason="nobody decided until 2026-03-02 00:00 UTC")


def test_others_are_asked_anew_when_it_escalates_and_nobody_after_them() -> None:
    asked: dict[str, Any] = {"within": "10m", "then": "escalate", "escalate_to": {"role": "admin", "approvers": 2}}
    history = waiting(**asked, evidence={"reason": 5})
    history.record(approval_given(), ADA)
    answer = after_time_out(history.state.spec_of(history.model), MODEL, history.version(), MONDAY)
    assert isinstance(answer, e.ApprovalRequested)
    assert (answer.approvers, answer.role, answer.until) == (2, "admin", None)
    assert answer.people.evidence == _asked(history).evidence
    history.record(answer)
    assert (history.version().approvers, history.version().needed) == ((), 2)


def test_a_request_that_stays_is_still_decided_and_ends_no_more() -> None:
    history = waiting(within="1m", then="stay")
    history.record(e.ModelDeclared(model=MODEL, spec="flights", partition={"carrier": "UA"}))
    history.record(e.ApprovalTimedOut(model=MODEL, version=1))
    assert after_time_out(history.state.spec_of(history.model), MODEL, history.version(), MONDAY) is None
    with pytest.raises(Refused, match="no request is open that ends"):
        history.record(e.ApprovalTimedOut(model=MODEL, version=1))
    assert isinstance(agree(history, ADA), e.VersionApproved)


# --- what can never be met -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        ({"approvers": 3, "among": [ADA, BOB]}, "at least 3, as many as must agree"),
        ({"among": [ADA, ADA]}, "each person once"),
        ({"also": [{"role": "approver"}]}, "each role once"),
        ({"then": "stay"}, "how long a request stands before it is to stay"),
        ({"within": "1d", "then": "escalate"}, "the people who are asked next"),
        ({"within": "1d", "escalate_to": {"role": "admin"}}, "the people who are asked next"),
        ({"within": "0d"}, "how long a request stands, such as 14d"),
        ({"among": ["bob"]}, "String should match pattern"),
    ],
)
def test_terms_that_contradict_themselves_are_said_where_they_are_written(
    people: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ValidationError, match=expected):
        People.model_validate(people)


def test_a_role_that_nobody_can_hold_is_refused_when_the_spec_is_applied() -> None:
    spec = a_spec(risk_tier="high", approval={"otherwise": {"role": "governor"}})
    roles = "admin, approver, auditor, client, developer, operator, tester"
    assert [*never(spec)] == [f"approvers of the role 'governor' can never be found; roles are {roles}"]
    event = e.SpecApplied(name="flights", digest=spec.digest, spec=spec.as_document())
    with pytest.raises(Refused, match="approvers of the role 'governor' can never be found"):
        check(History().state, event, ADA)
    History().after(event)  # and yet a ledger that holds one is read


def test_people_who_cannot_be_found_today_are_named() -> None:
    spec = a_spec(risk_tier="high", approval={"otherwise": {"approvers": 2}})
    held = {"approver": frozenset({ADA})}
    assert [*short_of_people(spec, held, BOB)] == ["1 more of the role approver must be found: it is held by user:ada"]
    held = {"approver": frozenset({ADA, BOB})}
    assert [*short_of_people(spec, held, CY)] == []
    assert [*short_of_people(spec, held, BOB)] == [
        "what user:bob registers can be approved by too few others of the role approver"
    ]


def test_one_person_with_two_roles_takes_one_seat() -> None:
    spec = a_spec(risk_tier="high", approval={"otherwise": {"also": [{"role": "operator"}]}})
    held = {"approver": frozenset({ADA}), "operator": frozenset({ADA})}
    assert [*short_of_people(spec, held, CY)] == ["1 more of the role operator must be found: it is held by user:ada"]
    held = {"approver": frozenset({ADA, BOB}), "operator": frozenset({ADA})}
    assert [*short_of_people(spec, held, CY)] == []


def test_holders_are_those_with_a_live_key_or_a_given_role() -> None:
    history = History.of().after(
        a_key("a", "cy"),
        a_key("b", "dan"),
        TokenRevoked(token="b" * 16, reason=""),
        RoleGiven(principal=ADA, role=Role.APPROVER, reason=""),
    )
    held = holders_of(history.state.roles, history.state.tokens.values(), MONDAY)
    assert held == {"approver": frozenset({ADA, CY})}
