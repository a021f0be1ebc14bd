"""Passports of decisions about a data subject: ciphertext before and after its erasure, and every proof goes on."""

from __future__ import annotations

import pytest

from runtime.domain import events as e
from runtime.domain.erasure import ErasurePart
from runtime.evidence.passport import passport_of
from runtime.proof.errors import PassportInvalid
from runtime.proof.passport import Passport
from runtime.proof.verify_passport import verify_passport
from runtime.storage.inputs import opened
from runtime.storage.keyring import Keyring
from runtime.storage.segments import check_segment, read_segment
from tests.unit.domain.lives import MODEL
from tests.unit.evidence.conftest import Installation

ADA = "ada@example.org"


@pytest.fixture
def keyring(installation: Installation) -> Keyring:
    return Keyring.create(installation.folder / "subjects", installation.clock)


@pytest.fixture
def segment(installation: Installation, keyring: Keyring, decision_id: str) -> e.SegmentSealed:
    """One answer of two rows about a subject, in the ledger."""
    installation.served()
    return installation.seal(keyring.key(MODEL, ADA).protect(installation.decide(decision_id, rows=2)))


def erase(installation: Installation, keyring: Keyring) -> int:
    """The subject is erased; the entry that says so."""
    (name,) = keyring.names(MODEL, ADA)
    part = ErasurePart(model=MODEL, pseudonym=name.pseudonym, records=2)
    installation.record("user:ada", e.SubjectErasureOrdered(parts=(part,), reason="request 7"))
    keyring.destroy(MODEL, ADA, name.pseudonym)
    installation.record(
        "user:ada", e.SubjectErased(model=MODEL, pseudonym=name.pseudonym, records=2, reason="request 7")
    )
    return installation.writer.state.size - 1


def issued(installation: Installation, decision_id: str) -> bytes:
    installation.publish()
    return passport_of(decision_id, installation.signed(), installation.store).encode()


def test_a_passport_shows_ciphertext_which_only_who_has_the_key_reads(
    installation: Installation, keyring: Keyring, segment: e.SegmentSealed, decision_id: str
) -> None:
    content = issued(installation, decision_id)
    checked = verify_passport(content, installation.keys)
    pseudonym = keyring.key(MODEL, ADA).pseudonym
    assert checked.inputs == f"sealed under the key of data subject {pseudonym[:12]}"
    assert ADA.encode() not in content
    record = Passport.decode(content).decision.records[1].record
    assert (record["subject"], record["numbers"], record["texts"]) == (pseudonym, [], [])
    numbers, texts = keyring.key(MODEL, ADA).open(decision_id, 1, record["sealed"])
    assert numbers[0] == 12.5
    assert texts == ["UA", None]


def test_after_an_erasure_old_and_new_passports_and_the_segment_still_verify(
    installation: Installation, keyring: Keyring, segment: e.SegmentSealed, decision_id: str
) -> None:
    before = issued(installation, decision_id)
    seq = erase(installation, keyring)
    after = issued(installation, decision_id)
    assert verify_passport(before, installation.keys).inputs.startswith("sealed under")
    checked = verify_passport(after, installation.keys)
    assert (checked.inputs, checked.rows) == (f"erased at entry {seq}", 2)
    check_segment(installation.store, segment)
    _, erased = opened(read_segment(installation.store, segment.digest), keyring.key_of)
    assert erased.num_rows == 2


def test_an_erasure_of_somebody_else_does_not_pass_for_this_ones(
    installation: Installation, keyring: Keyring, segment: e.SegmentSealed, decision_id: str
) -> None:
    other = keyring.key(MODEL, "bob").pseudonym
    part = ErasurePart(model=MODEL, pseudonym=other, records=0)
    installation.record("user:ada", e.SubjectErasureOrdered(parts=(part,), reason="request 8"))
    installation.record("user:ada", e.SubjectErased(model=MODEL, pseudonym=other, records=0, reason="request 8"))
    passport = Passport.decode(issued(installation, decision_id))
    assert passport.entries.erasure is None
    ledger = installation.signed()
    (foreign,) = ledger.found(("subject_erased",))
    entries = passport.entries.model_copy(update={"erasure": ledger.proven(foreign)})
    forged = passport.model_copy(update={"entries": entries}).encode()
    with pytest.raises(PassportInvalid, match=r"entries\.erasure\.leaf\.event\.pseudonym"):
        verify_passport(forged, installation.keys)


def test_a_decision_about_nobody_says_that_its_inputs_are_in_the_clear(
    installation: Installation, decision_id: str
) -> None:
    installation.served()
    installation.seal(installation.decide(decision_id))
    assert verify_passport(issued(installation, decision_id), installation.keys).inputs == "in the clear"
