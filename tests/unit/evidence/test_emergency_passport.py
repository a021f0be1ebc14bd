"""A decision of a version that two people let through is proven with their two entries."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from runtime.domain import events as e
from runtime.evidence.passport import passport_of
from runtime.proof.facts import Facts
from runtime.proof.links import broken_links
from runtime.proof.passport import Passport
from tests.unit.domain.lives import MODEL, a_spec
from tests.unit.evidence.conftest import Installation


@pytest.fixture
def passport(installation: Installation, decision_id: str) -> Passport:
    installation.declare(a_spec(risk_tier="high"))
    installation.prepare()
    installation.make()
    opened = e.BreakGlassOpened(model=MODEL, version=1, valid_seconds=3600, reason="outage")
    installation.record("user:ada", opened)
    installation.record("user:bob", e.BreakGlassSigned(model=MODEL, version=1, reason="seen it"))
    installation.seal(installation.decide(decision_id))
    installation.publish()
    return passport_of(decision_id, installation.signed(), installation.store)


def test_it_names_who_wanted_it_and_who_signed(passport: Passport) -> None:
    facts = Facts.of(passport)
    assert facts.approval.approved_by == ("user:ada", "user:bob")
    assert facts.approval.break_glass
    assert (facts.request, facts.consents) == (None, ())
    assert Passport.decode(passport.encode()) == passport


def broken(passport: Passport, **changes: object) -> list[str]:
    return [each.field for each in broken_links(passport, replace(Facts.of(passport), **changes))]  # type: ignore[arg-type]


def test_neither_person_can_be_left_out_or_given_more_time(passport: Passport) -> None:
    facts = Facts.of(passport)
    assert broken(passport) == []
    assert "entries.opening" in broken(passport, opening=None)
    assert "entries.signature" in broken(passport, signature=None)
    longer = facts.approval.model_copy(update={"valid_until": facts.approval.valid_until + timedelta(hours=1)})
    assert "entries.approval.leaf.event.valid_until" in broken(passport, approval=longer)
    alone = facts.approval.model_copy(update={"approved_by": ("user:ada", "user:ada")})
    assert "entries.approval.leaf.event.approved_by" in broken(passport, approval=alone)
    assert "entries.opening.leaf.event.version" in broken(
        passport, opening=e.BreakGlassOpened(model=MODEL, version=2, valid_seconds=3600, reason="outage")
    )


def test_a_renewed_right_is_proven_by_its_own_request(installation: Installation, decision_id: str) -> None:
    installation.declare(a_spec(risk_tier="high"))
    installation.prepare()
    installation.make()
    given = e.ApprovalGiven(model=MODEL, version=1, reason="fine")
    installation.record("user:ada", given)
    installation.record("user:cy", e.RenewalAsked(model=MODEL, version=1, reason="its right ends"))
    installation.record("user:bob", given)
    installation.seal(installation.decide(decision_id))
    installation.publish()
    facts = Facts.of(passport_of(decision_id, installation.signed(), installation.store))
    assert facts.consenting == ("user:bob",)
    assert facts.request is not None
    assert facts.request.renewal
