"""Whatever is done to a bundle, verification says what and where."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from runtime.domain import events as e
from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.merkle import EMPTY_ROOT, leaf_hash, root
from runtime.proof.bundle import LONGEST_LINE_BYTES, Deleted, Lines
from runtime.proof.checkpoints import Keys
from runtime.proof.errors import CheckpointRefused, FileUnreadable
from runtime.proof.verify_bundle import BundleVerification, root_of_bundle, verify_bundle
from tests.unit.domain.lives import MONDAY
from tests.unit.proof.cases import (
    KEYS,
    ORIGIN,
    STRANGER,
    WITNESS,
    bundle,
    deletion,
    leaf,
    signed,
    watermarks,
    witness_keys,
)

SIZE = 300  # more than one run of the tree, and a rest
LEAVES = watermarks(SIZE)


def check(content: bytes, keys: Keys = KEYS, since: bytes | None = None) -> BundleVerification:
    return verify_bundle(io.BytesIO(content), keys, since=since)


def refusal(content: bytes, keys: Keys = KEYS, since: bytes | None = None) -> str:
    with pytest.raises((LedgerCorrupt, CheckpointRefused, FileUnreadable)) as refused:
        check(content, keys, since)
    return str(refused.value)


def with_line(content: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    """The bundle with another line in the place of entry ``number``."""
    lines = content.split(b"\n")
    lines[number + 1] = change(lines[number + 1])
    return b"\n".join(lines)


def forged(leaves: Sequence[bytes]) -> bytes:
    """A bundle with its hashes made to fit, under the checkpoint of the true history."""
    return bundle(leaves, [signed(LEAVES)])


def test_a_good_bundle_is_told_with_its_size_root_and_times() -> None:
    checked = check(bundle(LEAVES))
    assert (checked.origin, checked.size, checked.root) == (ORIGIN, SIZE, root(map(leaf_hash, LEAVES)).hex())
    assert (checked.first_time, checked.last_time) == (MONDAY, MONDAY + timedelta(minutes=SIZE - 1))
    assert (checked.checkpoints, checked.extends, checked.witnesses, checked.unchecked) == (1, None, (), ())


def test_an_empty_ledger_has_a_bundle_too() -> None:
    assert (check(bundle([])).size, check(bundle([])).root) == (0, EMPTY_ROOT.hex())


def test_a_bundle_is_read_in_pieces_of_any_size() -> None:
    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(7)

    assert verify_bundle(Dripping(bundle(LEAVES)), KEYS).size == SIZE


def test_earlier_checkpoints_are_checked_at_their_sizes() -> None:
    notes = [signed(LEAVES[:size]) for size in (1, 256, 257, SIZE)]
    assert check(bundle(LEAVES, notes)).checkpoints == 4


def test_an_earlier_checkpoint_of_another_history_narrows_down_where_it_was_changed() -> None:
    other = [*LEAVES[:150], leaf(150, e.WatermarkAdvanced(until=MONDAY)), *LEAVES[151:]]
    notes = [signed(LEAVES[:size]) for size in (100, 200)] + [signed(other)]
    said = refusal(bundle(other, notes))
    assert "ledger entry 199: the first 200 entries have root" in said
    assert "one behind the first 100 was changed" in said


def test_an_edited_leaf_is_named() -> None:
    edited = with_line(bundle(LEAVES), 200, lambda line: line.replace(b"governor", b"gouverno"))
    assert refusal(edited) == "ledger entry 200: its leaf does not hash to the leaf hash beside it"


def test_an_edited_hash_is_named() -> None:
    edited = with_line(bundle(LEAVES), 200, lambda line: b"00" + line[2:])
    assert "ledger entry 200: its leaf does not hash" in refusal(edited)


def test_an_upper_case_hash_is_another_spelling_and_refused() -> None:
    assert "ledger entry 9: " in refusal(with_line(bundle(LEAVES), 9, lambda line: line[:64].upper() + line[64:]))


def test_the_first_of_two_bad_entries_is_named() -> None:
    edited = with_line(bundle(LEAVES), 200, lambda line: b"00" + line[2:])
    twice = with_line(edited, 100, lambda line: line.replace(b"governor", b"gouverno"))
    assert "ledger entry 100: " in refusal(twice)


def test_an_edit_with_its_hash_is_caught_by_the_signed_root() -> None:
    other = [*LEAVES[:7], leaf(7, e.WatermarkAdvanced(until=MONDAY)), *LEAVES[8:]]
    assert f"the first {SIZE} entries have root" in refusal(forged(other))


def test_swapped_entries_of_one_moment_are_caught_by_the_signed_root() -> None:
    same = [leaf(seq, e.WatermarkAdvanced(until=MONDAY), minutes=1) for seq in range(4)]
    swapped = [same[0], same[2], same[1], same[3]]
    assert "the first 4 entries have root" in refusal(bundle(swapped, [signed(same)]))


def test_a_dropped_entry_is_a_bundle_that_ends_too_soon() -> None:
    assert f"it ends after {SIZE - 1} of {SIZE} entries" in refusal(forged([*LEAVES[:7], *LEAVES[8:]]))


RULES: list[tuple[str, bytes, str]] = [
    ("not canonical", b'{"event": 1}', "not canonical JSON"),
    ("not JSON", b"{", "not canonical JSON"),
    ("a whole float", LEAVES[3].replace(b'"service:governor"', b"1.0"), "not canonical JSON"),
    ("an exponent", LEAVES[3].replace(b'"service:governor"', b"1e5"), "not canonical JSON"),
    ("no leaf", b"[]", "not an object of"),
    ("a field more", LEAVES[3].replace(b'{"event":', b'{"a":1,"event":'), "not an object of"),
    ("a principal that is no text", LEAVES[3].replace(b'"service:governor"', b"1"), "not all text"),
    ("an unknown event", LEAVES[3].replace(b"watermark_advanced", b"watermark"), "none that is known"),
    ("an id of before", leaf(3, e.WatermarkAdvanced(until=MONDAY), event_id="e"), "is that of entry 2"),
    ("a time of before", leaf(3, e.WatermarkAdvanced(until=MONDAY), minutes=0), "lies before"),
    ("a time spelled otherwise", LEAVES[3].replace(b"00.000000Z", b"00.00000Z"), "spelled"),
    ("no time", LEAVES[3].replace(b'"time":"2026', b'"time":"x026'), "its time is"),
]


@pytest.mark.parametrize(("bad", "expected"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES])
def test_a_leaf_that_breaks_a_rule_is_named_even_under_a_valid_signature(bad: bytes, expected: str) -> None:
    leaves = [*LEAVES[:2], leaf(2, e.WatermarkAdvanced(until=MONDAY), event_id="e"), bad, *LEAVES[4:]]
    said = refusal(bundle(leaves))
    assert said.startswith("ledger entry 3: ")
    assert expected in said


def test_hashing_alone_sees_the_root_and_the_hashes_but_not_the_rules() -> None:
    leaves = [*LEAVES[:3], b"{}", *LEAVES[4:]]
    assert root_of_bundle(io.BytesIO(bundle(leaves)), KEYS).size == SIZE
    with pytest.raises(LedgerCorrupt, match="have root"):
        root_of_bundle(io.BytesIO(forged(leaves)), KEYS)
    with pytest.raises(LedgerCorrupt, match="ledger entry 290: "):
        root_of_bundle(io.BytesIO(with_line(bundle(LEAVES), 290, lambda line: b"0" + line[1:-1])), KEYS)


# --- checkpoints -----------------------------------------------------------------------------------


def test_a_bundle_that_extends_an_older_checkpoint_says_so() -> None:
    for size in (0, 1, 256, SIZE):
        assert check(bundle(LEAVES), since=signed(LEAVES[:size])).extends == size


def test_a_rewritten_history_is_caught_by_an_older_checkpoint_though_the_log_signed_both() -> None:
    other = [*LEAVES[:7], leaf(7, e.WatermarkAdvanced(until=MONDAY)), *LEAVES[8:]]
    said = refusal(bundle(other), since=signed(LEAVES[:50]))
    assert "ledger entry 49: the first 50 entries have root" in said
    assert "where the older checkpoint says" in said


def test_a_history_shorter_than_the_older_checkpoint_was_cut() -> None:
    said = refusal(bundle(LEAVES[:50]), since=signed(LEAVES))
    assert said == f"the older checkpoint: of {SIZE} entries; the bundle holds 50"


def test_an_older_checkpoint_must_be_signed_by_the_log() -> None:
    assert "the older checkpoint: " in refusal(bundle(LEAVES), since=signed(LEAVES, signer=STRANGER))
    assert "not a note" in refusal(bundle(LEAVES), since=b"nothing")


def test_another_key_of_the_same_name_verifies_nothing() -> None:
    assert "with no key that is trusted" in refusal(bundle(LEAVES), Keys(STRANGER.verifier))


def test_a_checkpoint_of_another_log_is_refused() -> None:
    assert "of the log 'other.example.org'" in refusal(bundle(LEAVES, [signed(LEAVES, origin="other.example.org")]))


def test_every_checkpoint_must_be_signed_and_larger_than_the_one_before() -> None:
    assert "checkpoints[0]: " in refusal(bundle(LEAVES, [signed(LEAVES[:5], signer=STRANGER), signed(LEAVES)]))
    assert "checkpoints[1]: of 5 entries" in refusal(bundle(LEAVES, [signed(LEAVES[:5])] * 2 + [signed(LEAVES)]))


def test_a_witness_that_was_asked_for_must_have_cosigned_the_last_checkpoint() -> None:
    keys = witness_keys(WITNESS.verifier)
    early = [signed(LEAVES[:5], cosigned=True), signed(LEAVES)]
    assert "checkpoints[1]: not cosigned by witness.example.org" in refusal(bundle(LEAVES, early), keys)
    checked = check(bundle(LEAVES, [signed(LEAVES, cosigned=True)]), keys)
    assert [(each.name, each.time) for each in checked.witnesses] == [("witness.example.org", MONDAY)]


def test_a_cosignature_that_no_key_was_given_for_is_told() -> None:
    assert check(bundle(LEAVES, [signed(LEAVES, cosigned=True)])).unchecked == ("witness.example.org",)


# --- bodies that retention deleted -----------------------------------------------------------------


def test_a_bundle_says_how_many_bodies_its_entries_call_deleted_and_still_verifies() -> None:
    leaves = [*LEAVES[:5], deletion(5), deletion(6)]
    checked = check(bundle(leaves, deleted=Deleted(4, 60)))
    assert (checked.size, checked.bodies_deleted, checked.records_deleted) == (7, 4, 60)


def test_a_head_that_says_otherwise_than_the_entries_is_refused() -> None:
    leaves = [*LEAVES[:5], deletion(5)]
    for said in (Deleted(), Deleted(2, 29), Deleted(1, 30)):
        assert "its entries say Deleted(bodies=2, records=30)" in refusal(bundle(leaves, deleted=said))


def test_a_bundle_of_version_1_is_read_as_before() -> None:
    leaves = [*LEAVES[:5], deletion(5)]
    old = bundle(leaves).replace(b'"deleted":{"bodies":0,"records":0},', b"").replace(b'"version":2}', b'"version":1}')
    assert (check(old).size, check(old).records_deleted) == (6, 30)


@pytest.mark.parametrize(
    "said", [None, [], {}, {"bodies": 1}, {"bodies": -1, "records": 0}, {"bodies": 1.5, "records": 0}]
)
def test_deleted_bodies_that_are_no_two_numbers_are_told(said: object) -> None:
    head = {"checkpoints": ["x"], "deleted": said, "format": "fleetward-ledger-bundle", "version": 2}
    assert "deleted in its head is" in refusal(json.dumps(head, separators=(",", ":")).encode() + b"\n")


# --- what is no whole bundle -----------------------------------------------------------------------


def test_an_empty_file_is_told() -> None:
    assert refusal(b"") == "not a whole file: it is empty"


def test_a_bundle_that_is_cut_anywhere_is_told() -> None:
    content = bundle(LEAVES[:3])
    for end in range(1, len(content)):
        assert "not a whole" in refusal(content[:end])


def test_something_behind_the_last_entry_is_told() -> None:
    for more in (b"\n", b"x", LEAVES[0], LEAVES[0] + b"\n"):
        assert "not a whole bundle: " in refusal(bundle(LEAVES) + more)


HEADS: list[tuple[object, str]] = [
    ([], "not a JSON object"),
    ({"format": "other"}, "its format is 'other'"),
    ({"format": "fleetward-ledger-bundle", "version": 3}, "it has version 3; this release reads 1 and 2"),
    ({"format": "fleetward-ledger-bundle", "version": True}, "it has version True"),
    ({"checkpoints": [], "format": "fleetward-ledger-bundle", "version": 1}, "one checkpoint at least"),
    ({"checkpoints": [1], "format": "fleetward-ledger-bundle", "version": 1}, "signed notes"),
    ({"checkpoints": ["\ud800"], "format": "fleetward-ledger-bundle", "version": 1}, "first line is not JSON"),
    ({"a": 1, "checkpoints": ["x"], "format": "fleetward-ledger-bundle", "version": 1}, "its head is not"),
    ({"checkpoints": ["x"], "format": "fleetward-ledger-bundle", "version": 1}, "checkpoints[0]: not a note"),
]


@pytest.mark.parametrize(("head", "expected"), HEADS, ids=[expected for _, expected in HEADS])
def test_a_head_that_is_none_is_told(head: object, expected: str) -> None:
    assert expected in refusal(json.dumps(head, separators=(",", ":")).encode() + b"\n")


def test_a_head_with_spaces_is_another_spelling_and_refused() -> None:
    assert "not canonical JSON" in refusal(bundle(LEAVES).replace(b":", b": ", 1))


def test_a_binary_is_told_in_a_line() -> None:
    assert len(refusal(b"\x7fELF\xff" * 10_000 + b"\n")) < 200


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            self.given += size
            return b"x" * size

    endless = Endless()
    with pytest.raises(FileUnreadable, match="a line of more than 16 MiB"):
        Lines(endless)
    assert endless.given < 2 * LONGEST_LINE_BYTES
