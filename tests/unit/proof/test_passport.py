"""A passport holds only if all of its parts are proven and speak of one another; the field that does not is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.grant import SignedGrant
from runtime.ledger.signing import sign_grant
from runtime.proof.checkpoints import Keys
from runtime.proof.errors import CheckpointRefused, FileUnreadable, PassportInvalid
from runtime.proof.verify_passport import verify_passport
from tests.unit.domain.lives import MONDAY, a_report, digest
from tests.unit.proof.cases import (
    DECIDED,
    DECISION,
    KEYS,
    POLICY,
    STRANGER,
    WITNESS,
    Case,
    automatic,
    by_people,
    key,
    record,
    witness_keys,
)

OTHER = "flight-time-AA"


def field_of(case: Case, keys: Keys = KEYS) -> str:
    """The field that verification names."""
    with pytest.raises((PassportInvalid, CheckpointRefused)) as refusal:
        verify_passport(case.passport().encode(), keys)
    refused = refusal.value
    assert isinstance(refused, PassportInvalid | CheckpointRefused)
    assert refused.field in str(refused)
    return refused.field


@pytest.mark.parametrize("case", [automatic, by_people])
def test_a_passport_whose_parts_fit_holds(case: Callable[[], Case]) -> None:
    checked = verify_passport(case().passport().encode(), KEYS)
    assert (checked.decision_id, checked.rows, checked.decided_at) == (DECISION, 2, DECIDED)
    assert (checked.policy, checked.gates, checked.gaps, checked.unchecked) == (POLICY, 1, (), ())


def test_people_who_approved_are_told() -> None:
    assert verify_passport(by_people().passport().encode(), KEYS).approved_by == ("user:ada", "user:bob")


def test_a_witness_that_was_asked_for_must_have_cosigned() -> None:
    passport = automatic().passport
    checked = verify_passport(passport(cosigned=True).encode(), witness_keys(WITNESS.verifier))
    assert [(each.name, each.time) for each in checked.witnesses] == [("witness.example.org", MONDAY)]
    with pytest.raises(CheckpointRefused, match=r"checkpoint: not cosigned by witness\.example\.org"):
        verify_passport(passport().encode(), witness_keys(WITNESS.verifier))


def test_a_signature_that_no_key_was_given_for_is_told() -> None:
    assert verify_passport(automatic().passport(cosigned=True).encode(), KEYS).unchecked == ("witness.example.org",)


def test_another_key_verifies_nothing() -> None:
    assert field_of(automatic(), Keys(STRANGER.verifier)) == "checkpoint"


def test_a_decision_after_its_grant_ended_does_not_hold() -> None:
    late = MONDAY + timedelta(days=91)
    case = automatic().change("segment", first_time=late, last_time=late)
    case.records = [record(11, 0, at=late), record(12, 1, at=late)]
    assert field_of(case) == "decision.records[0].record.time"


RECORDS: list[tuple[dict[str, Any], str]] = [
    ({"model": OTHER}, "model"),
    ({"version": 2}, "version"),
    ({"artifact": digest("another")}, "artifact"),
    ({"grant_id": "grant-2"}, "grant_id"),
    ({"decision_id": "another"}, "decision_id"),
    ({"row": 5}, "row"),
]


@pytest.mark.parametrize(("columns", "name"), RECORDS, ids=[name for _, name in RECORDS])
def test_a_record_of_something_else_is_named(columns: dict[str, Any], name: str) -> None:
    case = automatic()
    case.records[1] |= columns
    assert field_of(case) == f"decision.records[1].record.{name}"


def test_a_record_outside_of_its_segments_time_is_named() -> None:
    case = automatic().change("segment", first_time=DECIDED + timedelta(seconds=1))
    assert field_of(case) == "decision.records[0].record.time"


LINKS: list[tuple[str, dict[str, Any], str]] = [
    ("segment", {"content": e.SegmentContent.OUTCOMES}, "entries.segment.leaf.event.content"),
    ("segment", {"last_number": 99}, "entries.segment.leaf.event.records"),
    ("grant", {"model": OTHER}, "entries.grant.leaf.event.model"),
    ("grant", {"version": 2}, "entries.grant.leaf.event.version"),
    ("approval", {"model": OTHER}, "entries.approval.leaf.event.model"),
    ("approval", {"version": 2}, "entries.approval.leaf.event.version"),
    ("approval", {"approved_by": ("policy:0123456789ab",)}, "entries.approval.leaf.event.approved_by"),
    ("approval", {"automatic": False}, "entries.approval.leaf.event.approved_by"),
    ("approval", {"valid_until": MONDAY}, "entries.grant.leaf.event.signed.grant.valid_until"),
    ("evaluation", {"model": OTHER}, "entries.evaluation.leaf.event.model"),
    ("evaluation", {"version": 2}, "entries.evaluation.leaf.event.version"),
    ("evaluation", {"report": a_report(passed=False)}, "entries.evaluation.leaf.event.report.gates"),
    (
        "evaluation",
        {"report": a_report().model_copy(update={"gates": ()})},
        "entries.evaluation.leaf.event.report.gates",
    ),
    ("declaration", {"model": OTHER}, "entries.declaration.leaf.event.model"),
    ("declaration", {"spec": "another"}, "entries.declaration.leaf.event.spec"),
    ("spec", {"digest": digest("another")}, "entries.spec.leaf.event.digest"),
    ("dataset", {"digest": digest("another")}, "entries.dataset.leaf.event.digest"),
    ("dataset", {"spec": "another"}, "entries.dataset.leaf.event.spec"),
    ("governor", {"key_id": "0123456789abcdef"}, "entries.grant.leaf.event.signed.key_id"),
    ("governor", {"public_key": key(2).public_key_text}, "entries.governor.leaf.event.key_id"),
    ("governor", {"public_key": "ed25519:x"}, "entries.governor.leaf.event.public_key"),
]


@pytest.mark.parametrize(("name", "fields", "expected"), LINKS, ids=lambda value: str(value)[:40])
def test_parts_that_stand_in_the_ledger_but_do_not_belong_together_are_named(
    name: str, fields: dict[str, Any], expected: str
) -> None:
    assert field_of(automatic().change(name, **fields)) == expected


GRANTS: list[tuple[str, Any]] = [
    ("model", OTHER),
    ("version", 2),
    ("artifact", digest("another")),
    ("package", digest("another")),
    ("policy", digest("another")),
]


@pytest.mark.parametrize(("name", "value"), GRANTS, ids=[name for name, _ in GRANTS])
def test_a_grant_for_something_else_is_named_though_well_signed(name: str, value: Any) -> None:
    case = automatic()
    case.grant = case.grant.model_copy(update={name: value})
    assert field_of(case) == f"entries.grant.leaf.event.signed.grant.{name}"


def test_a_grant_that_somebody_else_signed_does_not_hold() -> None:
    case = automatic()
    forged = sign_grant(case.grant, key(2)).signature
    case.change("grant", signed=SignedGrant(grant=case.grant, key_id=key(1).key_id, signature=forged))
    assert field_of(case) == "entries.grant.leaf.event.signed.signature"


def test_a_governor_with_another_key_than_the_logs_may_sign_grants_if_the_ledger_says_so() -> None:
    case = automatic()
    case.signer = key(5)
    case.change("governor", key_id=key(5).key_id, public_key=key(5).public_key_text)
    assert verify_passport(case.passport().encode(), KEYS).grant_id == "grant-1"


ORDERS = [
    ("grant", "governor", "entries.grant.seq"),
    ("approval", "spec", "entries.approval.seq"),
    ("registration", "declaration", "entries.registration.seq"),
    ("registration", "dataset", "entries.registration.seq"),
    ("evaluation", "registration", "entries.evaluation.seq"),
    ("approval", "evaluation", "entries.approval.seq"),
    ("grant", "approval", "entries.grant.seq"),
    ("segment", "grant", "entries.segment.seq"),
]


@pytest.mark.parametrize(("name", "before", "expected"), ORDERS)
def test_what_must_come_first_stands_first(name: str, before: str, expected: str) -> None:
    assert field_of(automatic().first(name, before=before)) == expected


def test_a_version_is_not_approved_by_whoever_registered_it() -> None:
    case = by_people()
    case.by["registration"] = "user:bob"
    assert field_of(case) == "entries.approval.leaf.event.approved_by"


def test_a_principal_counts_once() -> None:
    case = by_people().change("approval", approved_by=("user:ada", "user:ada"))
    case.by["consents 1"] = "user:ada"
    assert field_of(case) == "entries.consents"


def test_consents_of_others_than_the_approval_names_are_found() -> None:
    case = by_people()
    case.by["consents 1"] = "user:eve"
    assert field_of(case) == "entries.approval.leaf.event.approved_by"


def test_too_few_consents_are_found() -> None:
    case = by_people().change("request", approvers=3)
    assert field_of(case) == "entries.consents"


def test_an_approval_by_people_without_a_request_is_found() -> None:
    case = by_people()
    case.hidden = ("request",)
    assert field_of(case) == "entries.request"


def test_consents_beside_an_automatic_approval_are_found() -> None:
    case = by_people().change("approval", automatic=True, approved_by=(f"policy:{POLICY[7:19]}",))
    assert field_of(case) == "entries.approval.leaf.event.automatic"


def test_consents_in_the_wrong_order_are_found() -> None:
    assert field_of(by_people().first("consents 0", before="request")) == "entries.consents[0].seq"


def test_a_dataset_that_is_left_out_is_missing_unless_it_is_named_as_a_gap() -> None:
    case = automatic()
    case.hidden = ("dataset",)
    assert field_of(case) == "entries.dataset"
    case.gaps = ("dataset",)
    assert verify_passport(case.passport().encode(), KEYS).gaps == ("dataset",)


def test_a_gap_that_is_none_is_found() -> None:
    case = automatic()
    case.gaps = ("policy",)
    assert field_of(case) == "gaps"


def test_a_spec_that_was_not_approved_under_is_found_unless_it_is_named_as_a_gap() -> None:
    other = digest("another policy")
    case = automatic().change("approval", policy=other, approved_by=(f"policy:{other[7:19]}",))
    case.grant = case.grant.model_copy(update={"policy": other})
    assert field_of(case) == "entries.approval.leaf.event.policy"
    case.gaps = ("policy",)
    assert verify_passport(case.passport().encode(), KEYS).gaps == ("policy",)


def test_an_entry_of_another_kind_in_a_place_is_named() -> None:
    case = automatic()
    case.events["evaluation"] = case.events["registration"]
    assert field_of(case) == "entries.evaluation.leaf.event.kind"


def test_a_segment_without_a_hex_root_is_named() -> None:
    assert field_of(automatic().change("segment", record_root="zz")) == "entries.segment.leaf.event.record_root"


DAMAGES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("cut", lambda content: content[:500], "not JSON"),
    ("followed by something", lambda content: content + b"{}", "not JSON"),
    ("spaced out", lambda content: content.replace(b":", b": ", 1), "not in canonical JSON"),
    ("another version", lambda content: content.replace(b'"version":1}', b'"version":2}'), "this release reads 1"),
    ("version of another type", lambda content: content.replace(b'"version":1}', b'"version":true}'), "version"),
    ("another format", lambda content: content.replace(b"decision-passport", b"decision-pass"), "format"),
    ("a field more", lambda content: content.replace(b'"gaps":', b'"gapped":[],"gaps":'), "gapped"),
    ("no list of gaps", lambda content: content.replace(b'"gaps":[],', b""), "gaps"),
    ("a part that is null", lambda content: content.replace(b'"consents":', b'"aaa":null,"consents":'), "entries.aaa"),
    ("bytes that are no text", lambda content: content.replace(b"champion", b"ch\xffmpion"), "not UTF-8"),
    ("a number beyond all floats", lambda content: content.replace(b"12.5", b"1e999"), "numbers[0]"),
    ("half a surrogate pair", lambda content: content.replace(b'"UA"', b'"\\ud800"'), "texts[0]"),
]


@pytest.mark.parametrize(("damage", "expected"), [case[1:] for case in DAMAGES], ids=[case[0] for case in DAMAGES])
def test_a_damaged_file_is_told_by_what_is_wrong(damage: Callable[[bytes], bytes], expected: str) -> None:
    content = automatic().passport().encode()
    damaged = damage(content)
    assert damaged != content
    with pytest.raises(PassportInvalid, match=expected.replace("[", r"\[")):
        verify_passport(damaged, KEYS)


@pytest.mark.parametrize(
    ("content", "expected"), [(b"", "empty"), (b"[]", "not a JSON object"), (b" " * (17 << 20), "at most")]
)
def test_what_is_no_passport_at_all_is_told(content: bytes, expected: str) -> None:
    with pytest.raises(FileUnreadable, match=expected):
        verify_passport(content, KEYS)


def test_a_passport_is_its_own_canonical_json() -> None:
    content = by_people().passport().encode()
    assert canonical.encode(canonical.decode(content)) == content


def test_a_row_that_was_left_out_is_missed() -> None:
    document = canonical.decode(automatic().passport().encode())
    del document["decision"]["records"][-1]
    with pytest.raises(PassportInvalid, match=r"decision\.records: 1, where 2 is due"):
        verify_passport(canonical.encode(document), KEYS)
