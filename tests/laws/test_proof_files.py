"""Bundles and passports under every change: whatever bit or field is another, verification fails and says where."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain import canonical
from runtime.domain.entry import leaf_bytes
from runtime.domain.errors import LedgerCorrupt
from runtime.domain.keeping import BodiesDeleted
from runtime.ledger.merkle import Frontier, leaf_hash, root
from runtime.proof.bundle import Deleted
from runtime.proof.errors import CheckpointRefused, FileUnreadable, PassportInvalid
from runtime.proof.passport import Passport
from runtime.proof.verify_bundle import verify_bundle
from runtime.proof.verify_passport import verify_passport
from tests.laws.any_events import EVENTS
from tests.unit.domain.lives import MONDAY
from tests.unit.proof.cases import KEYS, WITNESS, automatic, bundle, by_people, signed, watermarks, witness_keys

COSIGNED = witness_keys(WITNESS.verifier)
PASSPORTS = tuple(case.passport(cosigned=True).encode() for case in (automatic(), by_people()))
LEAVES = watermarks(4)
BUNDLE = bundle(LEAVES, [signed(LEAVES[:2]), signed(LEAVES, cosigned=True)])
Path = tuple[int | str, ...]

bits = st.tuples(st.integers(0, 10**6), st.integers(0, 7))


def flipped(content: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(content)
    changed[place % len(content)] ^= 1 << bit
    return bytes(changed)


def refused_field(content: bytes) -> str:
    """The field that is named; to be let through, or to fail without a name, is the failure of these tests."""
    with pytest.raises((PassportInvalid, CheckpointRefused)) as refusal:
        verify_passport(content, COSIGNED)
    refused = refusal.value
    assert isinstance(refused, PassportInvalid | CheckpointRefused)
    assert refused.field
    return refused.field


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every field of a document, however deep."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield (*path, name)
        yield from places(part, (*path, name))


def at(document: Any, path: Path) -> Any:
    for part in path:
        document = document[part]
    return document


FIELDS = [(number, path) for number, content in enumerate(PASSPORTS) for path in places(canonical.decode(content))]


def test_the_passports_hold_before_they_are_changed() -> None:
    for content in PASSPORTS:
        verify_passport(content, COSIGNED)
    assert len(FIELDS) > 400


@settings(max_examples=300)
@given(number=st.sampled_from(range(len(PASSPORTS))), bit=bits)
def test_no_bit_of_a_passport_can_be_flipped(number: int, bit: tuple[int, int]) -> None:
    refused_field(flipped(PASSPORTS[number], *bit))


@pytest.mark.slow
def test_no_byte_of_a_passport_can_be_flipped_anywhere_at_all() -> None:
    """Every byte of the one passport: what stays JSON and what does not."""
    content = PASSPORTS[0]
    for place in range(len(content)):
        refused_field(flipped(content, place, place % 8))


@given(number=st.sampled_from(range(len(PASSPORTS))), start=st.integers(0, 10**6), length=st.integers(1, 200))
def test_no_stretch_of_a_passport_can_be_left_out(number: int, start: int, length: int) -> None:
    content = PASSPORTS[number]
    begin = start % (len(content) - 1) + 1
    refused_field(content[:begin] + content[begin + length :])


@settings(max_examples=300)
@given(place=st.sampled_from(FIELDS), value=st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3))
def test_no_field_of_a_passport_can_have_another_value(place: tuple[int, Path], value: Any) -> None:
    number, path = place
    document = canonical.decode(PASSPORTS[number])
    holder, last = at(document, path[:-1]), path[-1]
    if holder[last] == value and type(holder[last]) is type(value):
        return
    holder[last] = value
    named = refused_field(canonical.encode(document))
    assert named.partition("[")[0].partition(".")[0] == path[0]


def test_no_field_of_a_passport_can_be_dropped() -> None:
    for number, path in FIELDS:
        document = canonical.decode(PASSPORTS[number])
        del at(document, path[:-1])[path[-1]]
        refused_field(canonical.encode(document))


@given(place=st.sampled_from([each for each in FIELDS if each[1][:-1]]), name=st.text(min_size=1, max_size=3))
def test_no_field_can_be_added_to_a_passport(place: tuple[int, Path], name: str) -> None:
    number, path = place
    document = canonical.decode(PASSPORTS[number])
    holder = at(document, path[:-1])
    if isinstance(holder, list):
        holder.append(copy.deepcopy(holder[0]))
    elif name in holder:
        return
    else:
        holder[name] = "more"
    refused_field(canonical.encode(document))


@given(first=st.sampled_from(FIELDS), second=st.sampled_from(FIELDS))
def test_no_two_parts_of_a_passport_can_be_exchanged(first: tuple[int, Path], second: tuple[int, Path]) -> None:
    number, one = first
    document = canonical.decode(PASSPORTS[number])
    known = set(places(document))
    other = second[1]
    nested = one[: len(other)] == other or other[: len(one)] == one
    if other not in known or nested or at(document, one) == at(document, other):
        return
    kept = copy.deepcopy(at(document, one))
    at(document, one[:-1])[one[-1]] = copy.deepcopy(at(document, other))
    at(document, other[:-1])[other[-1]] = kept
    refused_field(canonical.encode(document))


@given(number=st.sampled_from(range(len(PASSPORTS))))
def test_a_passport_read_and_written_again_is_the_same_file(number: int) -> None:
    assert Passport.decode(PASSPORTS[number]).encode() == PASSPORTS[number]


def test_no_bit_of_a_bundle_can_be_flipped() -> None:
    assert verify_bundle(io.BytesIO(BUNDLE), COSIGNED).size == len(LEAVES)
    for place in range(len(BUNDLE)):
        with pytest.raises((LedgerCorrupt, CheckpointRefused, FileUnreadable)):
            verify_bundle(io.BytesIO(flipped(BUNDLE, place, place % 8)), COSIGNED)


@given(events=st.lists(EVENTS, max_size=20))
def test_every_ledger_has_a_bundle_that_verifies_to_its_root(events: list[Any]) -> None:
    leaves = [leaf_bytes(str(seq), MONDAY, "service:governor", event) for seq, event in enumerate(events)]
    told = [event for event in events if isinstance(event, BodiesDeleted)]
    deleted = Deleted(sum(len(event.digests) for event in told), sum(event.records for event in told))
    checked = verify_bundle(io.BytesIO(bundle(leaves, deleted=deleted)), KEYS)
    assert (checked.size, checked.root) == (len(leaves), root(map(leaf_hash, leaves)).hex())
    assert (checked.bodies_deleted, checked.records_deleted) == deleted


@given(sizes=st.lists(st.integers(0, 600), max_size=5))
def test_leaves_added_in_runs_give_the_root_of_leaves_added_singly(sizes: list[int]) -> None:
    hashes = [leaf_hash(str(number).encode()) for number in range(sum(sizes))]
    runs, singly, start = Frontier(), Frontier(), 0
    for size in sizes:
        runs.extend(hashes[start : start + size])
        start += size
    for each in hashes:
        singly.append(each)
    assert (runs.size, runs.root()) == (singly.size, singly.root())
