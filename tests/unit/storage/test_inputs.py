"""Records of data subjects: ciphertext and pseudonym in the segment and its leaves, inputs for who has the key."""

from __future__ import annotations

import math
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from runtime.domain.decision import Decision
from runtime.domain.errors import RequestError
from runtime.domain.events import SegmentSealed
from runtime.storage.frames import NumberedDecision, decode_frame, decode_frames, encode_decision
from runtime.storage.inputs import has_inputs, opened
from runtime.storage.keyring import Keyring
from runtime.storage.leaves import record_leaves
from runtime.storage.objects import ObjectStore
from runtime.storage.segment_columns import DECISION_SCHEMA, SUBJECT_SCHEMA
from runtime.storage.segments import check_segment, read_decisions, read_segment, recorded_inputs, seal
from runtime.storage.subject_key import SealedInputsDamaged
from tests.unit.storage.records import MODEL, START, a_decision

ADA = "ada@example.org"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path / "store"))


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.create(tmp_path / "subjects", lambda: START)


def protected(keyring: Keyring, index: int = 0, rows: int = 1, subject: str = ADA) -> Decision:
    return keyring.key(MODEL, subject).protect(a_decision(index, rows))


def sealed(store: ObjectStore, *decisions: Decision) -> SegmentSealed:
    payloads, number = [], 1
    for decision in decisions:
        payloads.append(encode_decision(number, decision))
        number += decision.rows
    (segment,) = seal(decode_frames(payloads), store, "r", "e")
    check_segment(store, segment)
    return segment


def test_a_protected_decision_comes_back_from_its_frame(keyring: Keyring) -> None:
    decision = protected(keyring, rows=3)
    frame = decode_frame(encode_decision(7, decision))
    assert isinstance(frame, NumberedDecision)
    assert frame.decision == decision
    assert (decision.numbers, decision.texts, len(decision.sealed)) == ((), (), 3)


def test_a_row_without_its_ciphertext_is_refused(keyring: Keyring) -> None:
    decision = protected(keyring, rows=2)
    object.__setattr__(decision, "sealed", decision.sealed[:1])
    with pytest.raises(RequestError, match=r"columns of \[1, 2\] values"):
        encode_decision(1, decision)


def test_a_segment_has_the_columns_of_a_subject_only_if_one_is_named(store: ObjectStore, keyring: Keyring) -> None:
    plain, mixed = sealed(store, a_decision(0)), sealed(store, a_decision(0), protected(keyring, 1))
    assert read_segment(store, plain.digest).schema.names == DECISION_SCHEMA.names
    table = read_segment(store, mixed.digest)
    assert table.schema.names == SUBJECT_SCHEMA.names
    assert table["subject"].to_pylist() == ["", keyring.key(MODEL, ADA).pseudonym]
    assert read_segment(store, plain.digest, ["model", "subject"]).column_names == ["model"]
    assert read_decisions(store, [plain, mixed])["subject"].to_pylist()[:2] == ["", ""]
    assert has_inputs(table).to_pylist() == [True, False]


def test_a_segment_of_an_earlier_release_has_the_digest_and_leaves_it_had(store: ObjectStore) -> None:
    """Taken from the release before subjects: neither an update nor a seal that is repeated after it changes them."""
    segment = sealed(store, *(a_decision(index, rows=2) for index in range(3)))
    assert segment.record_root == "b8aa7a1a6101fe5df918a500fdd061cd653df470d48e77b7ad5d36d97e5d0cfc"


def test_the_leaf_commits_to_ciphertext_and_pseudonym_and_holds_no_input(store: ObjectStore, keyring: Keyring) -> None:
    decision = protected(keyring, 4)
    (leaf,) = record_leaves(read_segment(store, sealed(store, decision).digest))
    record = orjson.loads(leaf)
    assert (record["numbers"], record["texts"]) == ([], [])
    assert (record["subject"], record["sealed"]) == (decision.subject, decision.sealed[0])
    assert b"4.25" not in leaf
    assert ADA.encode() not in leaf


def test_inputs_open_while_the_key_lives_and_rows_are_told_apart_afterwards(
    store: ObjectStore, keyring: Keyring
) -> None:
    segment = sealed(store, a_decision(0), protected(keyring, 1, rows=2), protected(keyring, 2, subject="bob"))
    table = read_segment(store, segment.digest)
    readable, erased = opened(table, keyring.key_of)
    assert (readable["number"].to_pylist(), erased.num_rows) == ([1, 2, 3, 4], 0)
    assert readable.schema.names == DECISION_SCHEMA.names
    numbers, texts = recorded_inputs(readable)
    assert numbers[:, 0].tolist() == [0.25, 1.25, 1.25, 2.25]
    assert all(math.isnan(value) for value in numbers[:, 2])
    assert texts.tolist() == [["AA", None]] * 4
    keyring.destroy(MODEL, ADA, keyring.key(MODEL, ADA).pseudonym)
    readable, erased = opened(table, keyring.key_of)
    assert (readable["number"].to_pylist(), erased["number"].to_pylist()) == ([1, 4], [2, 3])
    assert erased["output"].to_pylist() == [321.5, 322.5]


def test_a_segment_without_subjects_asks_for_no_key(store: ObjectStore) -> None:
    def no_key(pseudonym: str) -> None:
        raise AssertionError(pseudonym)

    table = read_segment(store, sealed(store, a_decision(0)).digest)
    readable, erased = opened(table, no_key)
    assert readable is table
    assert erased.num_rows == 0


def test_ciphertext_of_another_record_does_not_open(keyring: Keyring) -> None:
    key = keyring.key(MODEL, ADA)
    text = key.seal("decision", 0, ([1.0], []))
    for decision_id, row, changed in (
        ("other", 0, text),
        ("decision", 1, text),
        ("decision", 0, text[:-8] + "AAAAAAA="),
    ):
        with pytest.raises(SealedInputsDamaged, match=f"decision {decision_id} row {row}"):
            key.open(decision_id, row, changed)
    with pytest.raises(SealedInputsDamaged):
        keyring.key(MODEL, "bob").open("decision", 0, text)


def test_a_table_of_subjects_alone_opens_too(store: ObjectStore, keyring: Keyring) -> None:
    table = read_segment(store, sealed(store, protected(keyring, 0), protected(keyring, 1)).digest)
    readable, _ = opened(pa.concat_tables([table, table]), keyring.key_of)
    assert recorded_inputs(readable)[0][:, 0].tolist() == [0.25, 1.25, 0.25, 1.25]
