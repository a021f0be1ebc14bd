"""Passports out of a real ledger and real segments: what is written verifies, and what cannot be shown is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runtime.domain import events as e
from runtime.domain.decision import Variant
from runtime.domain.errors import DigestMismatch
from runtime.domain.ids import new_id
from runtime.evidence.errors import BodyDeleted, DecisionUnknown, EvidenceMissing, NotSigned
from runtime.evidence.passport import passport_of
from runtime.proof.verify_passport import PassportVerification, verify_passport
from tests.unit.domain.lives import MODEL, a_spec
from tests.unit.evidence.conftest import Installation

OTHER = "0b5a0d1e-0000-5000-8000-000000000000"


def checked(installation: Installation, decision_id: str, version: int | None = None) -> PassportVerification:
    """What the verifier says of the passport as a file."""
    passport = passport_of(decision_id, installation.signed(), installation.store, version=version)
    return verify_passport(passport.encode(), installation.keys)


def test_the_passport_of_a_decision_verifies(installation: Installation, decision_id: str) -> None:
    installation.served()
    installation.seal(installation.decide(OTHER), installation.decide(decision_id, rows=3), installation.decide(OTHER))
    installation.publish()
    found = checked(installation, decision_id)
    assert (found.model, found.version, found.rows, found.gaps) == (MODEL, 1, 3, ())
    assert found.size == installation.log.size


def test_a_passport_shows_itself_in_a_notebook_and_does_not_say_that_it_holds(
    installation: Installation, decision_id: str
) -> None:
    installation.served()
    installation.seal(installation.decide(decision_id, rows=7))
    installation.publish()
    passport = passport_of(decision_id, installation.signed(), installation.store)
    shown = passport._repr_html_()
    assert shown.count("<tr>") == 1 + len(list(passport.entries.named()))
    assert all(f"<td>{kind}</td>" in shown for kind in ("version_approved", "grant_issued", "segment_sealed"))
    assert f"Decision {decision_id}, 7 rows" in shown
    assert "Not verified by being shown" in shown


def test_a_decision_that_people_approved_names_them(installation: Installation, decision_id: str) -> None:
    installation.declare(a_spec(approval={"otherwise": {"approvers": 2, "role": "approver"}, "valid_for": "90d"}))
    installation.prepare()
    installation.make()
    consent = e.ApprovalGiven(model=MODEL, version=1, reason="looks right")
    for person in ("user:ada", "user:bob"):
        installation.record(person, consent)
    installation.seal(installation.decide(decision_id))
    installation.publish()
    assert checked(installation, decision_id).approved_by == ("user:ada", "user:bob")


def test_a_spec_applied_again_does_not_confuse_what_was_approved_under(
    installation: Installation, decision_id: str
) -> None:
    installation.declare()
    newer = a_spec(gates=[{"metric": "mae", "max": 29}])
    installation.declare(newer)
    installation.prepare()
    installation.make()
    installation.declare(a_spec(gates=[{"metric": "mae", "max": 28}]))
    installation.seal(installation.decide(decision_id))
    installation.publish()
    assert checked(installation, decision_id).policy == newer.policy_digest


def test_training_data_that_the_ledger_does_not_tell_of_is_a_gap(installation: Installation, decision_id: str) -> None:
    installation.declare()
    installation.make()
    installation.seal(installation.decide(decision_id))
    installation.publish()
    assert checked(installation, decision_id).gaps == ("dataset",)


def test_the_answer_that_went_out_is_meant_not_its_shadow(installation: Installation, decision_id: str) -> None:
    installation.served()
    installation.make(2)
    installation.seal(
        installation.decide(decision_id, version=2, variant=Variant.SHADOW), installation.decide(decision_id)
    )
    installation.publish()
    assert checked(installation, decision_id).version == 1
    assert checked(installation, decision_id, version=2).version == 2


def test_of_a_request_sent_again_the_first_answer_is_meant(installation: Installation, decision_id: str) -> None:
    installation.served()
    first = installation.decide(decision_id)
    installation.seal(first, installation.decide(decision_id))
    installation.seal(installation.decide(decision_id))
    installation.publish()
    assert checked(installation, decision_id).decided_at == first.time


def test_a_decision_is_found_whatever_its_id_says_of_its_time(installation: Installation) -> None:
    installation.served()
    timed = new_id()  # of now, far from the ledger's clock
    for _ in range(3):
        installation.seal(installation.decide(OTHER))
    installation.seal(installation.decide(timed))
    installation.publish()
    assert checked(installation, timed).rows == 1


def test_a_decision_that_nobody_made_is_unknown(installation: Installation, decision_id: str) -> None:
    installation.served()
    installation.seal(installation.decide(OTHER))
    installation.publish()
    for asked in (decision_id, "", "no id at all"):
        with pytest.raises(DecisionUnknown, match="no sealed segment"):
            passport_of(asked, installation.signed(), installation.store)


def test_a_version_that_did_not_answer_is_unknown(installation: Installation, decision_id: str) -> None:
    installation.served()
    installation.seal(installation.decide(decision_id))
    installation.publish()
    with pytest.raises(DecisionUnknown, match="by version 2"):
        passport_of(decision_id, installation.signed(), installation.store, version=2)


def test_what_is_sealed_behind_the_newest_checkpoint_is_not_given_out(
    installation: Installation, decision_id: str
) -> None:
    installation.served()
    installation.publish()
    installation.seal(installation.decide(decision_id))
    with pytest.raises(DecisionUnknown):
        passport_of(decision_id, installation.signed(), installation.store)


def test_without_a_checkpoint_there_is_no_evidence(installation: Installation) -> None:
    with pytest.raises(NotSigned, match="no checkpoint was published"):
        installation.signed()


def test_a_segment_that_is_gone_is_named(installation: Installation, decision_id: str) -> None:
    installation.served()
    segment = installation.seal(installation.decide(decision_id))
    installation.publish()
    (path,) = installation.folder.glob(f"store/**/{segment.digest.removeprefix('sha256:')}")
    path.unlink()
    with pytest.raises(EvidenceMissing, match=segment.digest):
        passport_of(decision_id, installation.signed(), installation.store)


def test_a_segment_that_was_changed_is_not_believed(installation: Installation, decision_id: str) -> None:
    installation.served()
    segment = installation.seal(installation.decide(decision_id))
    installation.publish()
    (path,) = installation.folder.glob(f"store/**/{segment.digest.removeprefix('sha256:')}")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DigestMismatch):
        passport_of(decision_id, installation.signed(), installation.store)


def test_a_decision_outside_of_its_grant_gets_no_passport_but_the_reason(
    installation: Installation, decision_id: str
) -> None:
    installation.served()
    installation.now += timedelta(days=91)
    installation.seal(installation.decide(decision_id))
    installation.publish()
    with pytest.raises(EvidenceMissing, match="is not within the grant"):
        passport_of(decision_id, installation.signed(), installation.store)


def test_a_decision_of_a_version_that_was_never_granted_gets_no_passport(
    installation: Installation, decision_id: str
) -> None:
    installation.served()
    decision = installation.decide(decision_id)
    forged = type(decision)(**{**{f: getattr(decision, f) for f in decision.__slots__}, "grant_id": "made up"})
    installation.seal(forged)
    installation.publish()
    with pytest.raises(EvidenceMissing, match="no fitting grant_issued"):
        passport_of(decision_id, installation.signed(), installation.store)


@pytest.mark.parametrize("keep_body", [False, True], ids=["deleted", "the store still holds it"])
def test_of_a_body_that_the_ledger_calls_deleted_no_passport_is_given(
    keep_body: bool, installation: Installation, decision_id: str
) -> None:
    installation.served()
    segment = installation.seal(installation.decide(decision_id))
    kept = installation.seal(installation.decide(OTHER))
    installation.delete(segment, keep_body=keep_body)
    entry = installation.log.size - 1
    installation.publish()
    with pytest.raises(BodyDeleted, match=f"1 segments whose bodies retention deleted .ledger entry {entry}."):
        passport_of(decision_id, installation.signed(), installation.store)
    assert checked(installation, OTHER).rows == kept.records


def test_a_decision_of_another_time_than_the_deleted_bodies_is_unknown(installation: Installation) -> None:
    installation.served()
    installation.delete(installation.seal(installation.decide(OTHER)))
    installation.publish()
    with pytest.raises(DecisionUnknown):
        passport_of(new_id(), installation.signed(), installation.store)  # of today, far from the ledger's clock
