"""What follows from an entry by policy alone, each consequence once and under a key of its cause."""

from pathlib import Path

import pytest

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.domain.grant import Grant, SignedGrant
from runtime.ledger.signing import SigningKey, sign_grant, verify
from runtime.policy.reactions import GOVERNOR, reactions
from tests.unit.domain.lives import (
    MODEL,
    History,
    a_finding,
    a_spec,
    aborted,
    approval_given,
    approval_requested,
    approved,
    champion,
    digest,
    evaluated,
    granted,
    registered,
    revoked,
    rolled_back,
    servable,
    started,
)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.load_or_create(tmp_path / "key")


def unsigned(grant: Grant) -> SignedGrant:
    raise AssertionError(f"no grant was expected: {grant}")


def following(history: History, event: e.Event, by: str = GOVERNOR) -> list[e.Event]:
    entry = history.record(event, by)
    drafts = reactions(history.state, entry, unsigned)
    assert drafts == reactions(history.state, entry, unsigned), "the same cause has the same consequences and keys"
    return [draft.event for draft in drafts]


def test_an_evaluation_is_answered_by_the_approval_policy() -> None:
    (answer,) = following(History.of(registered()), evaluated())
    assert isinstance(answer, e.VersionApproved)
    (answer,) = following(History.of(registered()), evaluated(passed=False))
    assert isinstance(answer, e.VersionRefused)
    (answer,) = following(History.of(registered(), spec=a_spec(risk_tier="high")), evaluated())
    assert isinstance(answer, e.ApprovalRequested)


def test_the_last_consent_approves() -> None:
    history = History.of(registered(), evaluated(), approval_requested(approvers=2))
    assert following(history, approval_given(), "user:ada") == []
    (answer,) = following(history, approval_given(), "user:bob")
    assert isinstance(answer, e.VersionApproved)
    assert answer.approved_by == ("user:ada", "user:bob")


def test_an_approval_is_followed_by_a_signed_grant_of_the_registered_bytes(key: SigningKey) -> None:
    history = History.of(registered(), evaluated())
    entry = history.record(approved())
    (draft,) = reactions(history.state, entry, lambda grant: sign_grant(grant, key))
    assert isinstance(draft, Draft)
    assert draft.principal == GOVERNOR
    event = draft.event
    assert isinstance(event, e.GrantIssued)
    grant = event.signed.grant
    assert (grant.artifact, grant.package) == (digest("artifact 1"), digest("package 1"))
    assert (grant.environment, grant.pool) == ("prod", "default")
    assert (grant.valid_from, grant.valid_until) == (entry.time, approved().valid_until)
    assert verify(key.public_key_text, canonical.encode(grant.as_document()), event.signed.signature)


def test_a_version_that_falls_loses_its_grant() -> None:
    history = History.of(*champion(), *servable(2), started(2))
    (answer,) = following(history, aborted(2))
    assert answer == revoked(2).model_copy(update={"reason": "rollout aborted: above the guardrail"})
    history = History.of(*servable())
    (answer,) = following(history, e.VersionRefused(model=MODEL, version=1, reason="no"), "user:ada")
    assert answer == revoked().model_copy(update={"reason": "version refused: no"})


def test_a_rollback_takes_the_grant_of_the_champion_and_of_the_challenger_beside_it() -> None:
    history = History.of(*champion(1), *champion(2), *servable(3), started(3))
    answers = following(history, rolled_back(2, 1))
    assert [(type(answer), getattr(answer, "version", 0)) for answer in answers] == [
        (e.GrantRevoked, 2),
        (e.GrantRevoked, 3),
    ]


def test_a_retired_model_loses_every_grant() -> None:
    history = History.of(*champion(1), *champion(2), registered(3))
    answers = following(history, e.ModelRetired(model=MODEL, reason="no more flights"))
    assert [getattr(answer, "version", 0) for answer in answers] == [1, 2]


def test_a_finding_is_answered_with_a_verdict_as_of_its_own_moment() -> None:
    finding = a_finding()
    (answer,) = following(History.of(*champion()), finding)
    assert isinstance(answer, e.VerdictReached)
    assert (answer.finding, answer.as_of) == (finding.finding, finding.as_of)
    assert answer.policy == a_spec().policy_digest


@pytest.mark.parametrize("event", [granted(), e.ModelSuspended(model=MODEL, reason="")])
def test_most_entries_have_no_consequences(event: e.Event) -> None:
    assert following(History.of(registered(), evaluated(), approved()), event) == []
