"""Laws of tiles: whenever they were stored, proofs from them are the naive ones, and one flipped bit breaks any."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from runtime.ledger.database import Database
from runtime.ledger.merkle import consistency_proof, inclusion_proof, root
from runtime.ledger.proofs import ConsistencyProof, InclusionProof, Proofs
from runtime.ledger.schema import TILES
from runtime.ledger.tiles import TILE_WIDTH, Tree, check_tiles, store_tiles, tile_path
from tests.unit.ledger.trees import fill, leaves

SIZE = 3_000
LEAVES = leaves(SIZE)
SIZES = st.integers(1, SIZE) | st.sampled_from([255, 256, 257, 511, 512, 513, 2_048, SIZE])


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open_for_writing(f"sqlite:///{Path(folder, 'ledger.sqlite')}", timedelta(seconds=5))
        fill(database, 0, SIZE)
        yield database
        database.close()


@settings(max_examples=40)
@given(stored=st.lists(SIZES, max_size=4).map(sorted), size=SIZES, data=st.data())
def test_proofs_do_not_depend_on_what_is_in_tiles(
    database: Database, stored: list[int], size: int, data: st.DataObject
) -> None:
    with database.writing() as connection:
        connection.execute(delete(TILES))
    for each in stored:
        store_tiles(database, each)
    seq, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    with database.reading() as connection:
        for position in range(max(stored, default=0) // TILE_WIDTH):
            check_tiles(connection, position)
        tree = Tree(connection)
        assert tree.root(size) == root(LEAVES[:size])
        assert tree.inclusion_proof(seq, size) == inclusion_proof(LEAVES[:size], seq)
        assert tree.consistency_proof(old, size) == consistency_proof(LEAVES[:size], old)


def flipped(text: str, bit: int) -> str:
    return (int(text, 16) ^ 1 << bit).to_bytes(32, "big").hex()


def spoiled(proof: InclusionProof | ConsistencyProof, bit: int) -> Iterator[InclusionProof | ConsistencyProof]:
    """The proof with one bit of one of its hashes flipped, for each, and with one hash less or more."""
    for name in {"leaf_hash", "old_root", "root"} & set(type(proof).model_fields):
        yield proof.model_copy(update={name: flipped(getattr(proof, name), bit)})
    hashes = proof.hashes
    for at, each in enumerate(hashes):
        yield proof.model_copy(update={"hashes": (*hashes[:at], flipped(each, bit), *hashes[at + 1 :])})
        yield proof.model_copy(update={"hashes": (*hashes[:at], *hashes[at + 1 :])})
    yield proof.model_copy(update={"hashes": (*hashes, proof.root)})


@settings(max_examples=40)
@given(size=st.integers(2, SIZE), bit=st.integers(0, 255), data=st.data())
def test_a_proof_out_of_the_database_holds_until_a_bit_of_it_is_flipped(
    database: Database, size: int, bit: int, data: st.DataObject
) -> None:
    store_tiles(database, SIZE)
    seq, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    for proof in (Proofs(database).inclusion(seq, size), Proofs(database).consistency(old, size)):
        assert proof.holds()
        assert len(proof.hashes) <= (size - 1).bit_length() + 1
        assert not any(bad.holds() for bad in spoiled(proof, bit))


@given(level=st.integers(0, 63), position=st.integers(0, 2**55), width=st.integers(1, 256))
def test_the_name_of_a_tile_can_be_read_back(level: int, position: int, width: int) -> None:
    name, _, partial = tile_path(level, position, width).partition(".p/")
    kind, spelled, *groups = name.split("/")
    assert (kind, int(spelled), int(partial or 256)) == ("tile", level, width)
    assert all(len(group.removeprefix("x")) == 3 for group in groups)
    assert [group[0] == "x" for group in groups] == [True] * (len(groups) - 1) + [False]
    assert int("".join(group.removeprefix("x") for group in groups)) == position
    assert len(groups) == 1 or groups[0] != "x000"
