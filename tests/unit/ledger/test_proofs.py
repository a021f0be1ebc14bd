"""Proofs out of the database, on each kind of it: for which size they are, and that none is given that fails."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.domain.entry import Draft
from runtime.domain.errors import IntegrityError, LedgerCorrupt
from runtime.ledger.checkpoint import open_checkpoint
from runtime.ledger.errors import LedgerHeld, NeverHeld
from runtime.ledger.log import Log
from runtime.ledger.note import Signer
from runtime.ledger.proofs import ConsistencyProof, InclusionProof, Proofs
from runtime.ledger.publisher import Publisher, origin_of
from runtime.ledger.signing import SigningKey
from tests.unit.ledger.behind import Behind
from tests.unit.ledger.conftest import ManualClock

SIZE = 600


@pytest.fixture
def either(database_url: str, clock: ManualClock, draft: Callable[..., Draft]) -> Iterator[Log]:
    """A log of 600 entries, in SQLite or PostgreSQL."""
    with Log.open(database_url, clock) as log:
        log.append([draft(number) for number in range(SIZE)])
        yield log


@pytest.fixture
def publisher(either: Log, clock: ManualClock, tmp_path: Path) -> Publisher:
    signer = Signer(SigningKey.load_or_create(tmp_path / "key.pem"), origin_of(either))
    return Publisher(either, signer, clock)


@pytest.fixture
def grow(either: Log, draft: Callable[..., Draft]) -> Callable[[int], None]:
    def grows(count: int) -> None:
        size = either.size
        either.append([draft(number) for number in range(size, size + count)])

    return grows


Grow = Callable[[int], None]


def test_the_whole_way_from_entry_to_checkpoint_holds(either: Log, publisher: Publisher, tmp_path: Path) -> None:
    published = publisher.publish()
    assert published is not None
    key = SigningKey.load_or_create(tmp_path / "key.pem")
    checkpoint, _ = open_checkpoint(published.note.encode(), [Signer(key, origin_of(either)).verifier])
    assert (checkpoint.size, checkpoint.root.hex()) == (SIZE, either.root)
    for seq in (0, 255, 256, 511, 512, 599):
        proof = Proofs(either.database).inclusion(seq)
        assert proof.holds()
        assert (proof.size, proof.root, proof.checkpoint) == (SIZE, either.root, published.note)


def test_a_proof_is_for_the_newest_checkpoint_that_covers_the_entry(
    either: Log, publisher: Publisher, grow: Grow
) -> None:
    proofs = Proofs(either.database)
    assert (proofs.inclusion(0).size, proofs.inclusion(0).checkpoint) == (SIZE, None)
    publisher.publish()
    grow(5)
    assert proofs.inclusion(SIZE - 1).size == SIZE
    assert (proofs.inclusion(SIZE).size, proofs.inclusion(SIZE).checkpoint) == (SIZE + 5, None)
    assert (proofs.consistency(10).size, proofs.consistency(SIZE + 1).size) == (SIZE, SIZE + 5)
    published = publisher.publish()
    assert published is not None
    assert proofs.inclusion(SIZE).checkpoint == proofs.consistency(SIZE).checkpoint == published.note


def test_a_proof_can_be_for_any_size_the_ledger_had(either: Log, publisher: Publisher) -> None:
    publisher.publish()
    proofs = Proofs(either.database)
    for size in (1, 2, 255, 256, 257, 600):
        inclusion, consistency = proofs.inclusion(size - 1, size), proofs.consistency(size, SIZE)
        assert inclusion.holds()
        assert consistency.holds()
        assert inclusion.root == consistency.old_root
        assert (inclusion.checkpoint is None) == (size < SIZE)


@pytest.mark.parametrize(
    "ask",
    [
        lambda proofs: proofs.inclusion(SIZE),
        lambda proofs: proofs.inclusion(-1),
        lambda proofs: proofs.inclusion(5, 5),
        lambda proofs: proofs.inclusion(0, SIZE + 1),
        lambda proofs: proofs.inclusion(0, 0),
        lambda proofs: proofs.consistency(SIZE + 1),
        lambda proofs: proofs.consistency(-1),
        lambda proofs: proofs.consistency(6, 5),
        lambda proofs: proofs.consistency(0, SIZE + 1),
    ],
)
def test_what_the_ledger_never_held_has_no_proof(ask: Callable[[Proofs], object], either: Log) -> None:
    with pytest.raises(NeverHeld, match="it has 600 entries"):
        ask(Proofs(either.database))


def test_a_ledger_only_grew_out_of_the_empty_one(either: Log) -> None:
    proof = Proofs(either.database).consistency(0)
    assert proof.holds()
    assert proof.hashes == ()


def test_a_proof_that_would_fail_is_not_given(either: Log, publisher: Publisher, behind: Behind) -> None:
    publisher.publish()
    (tile,) = behind.execute("SELECT hashes FROM tiles WHERE level = 0 AND position = 1").fetchone()
    behind.execute("UPDATE tiles SET hashes = ? WHERE level = 0 AND position = 1", [bytes(32) + tile[32:]])
    with pytest.raises(LedgerCorrupt, match="entry 300: its proof does not hold"):
        Proofs(either.database).inclusion(300)


@pytest.mark.parametrize(
    "how",
    [
        "UPDATE entries SET leaf_hash = (SELECT leaf_hash FROM entries WHERE seq = 5) WHERE seq = 6",
        "DELETE FROM entries WHERE seq >= 590",
        "DELETE FROM checkpoints",
    ],
)
def test_on_either_database_tampering_stops_publication(
    how: str, publisher: Publisher, grow: Grow, behind: Behind
) -> None:
    publisher.publish()
    grow(1)
    behind.execute(how)
    with pytest.raises(IntegrityError):
        publisher.publish()
    assert behind.execute("SELECT count(*) FROM checkpoints WHERE size > 600").fetchone() == (0,)


def test_a_lost_tile_is_no_loss_while_its_entries_and_the_tile_above_agree(
    publisher: Publisher, grow: Grow, behind: Behind
) -> None:
    grow(1)
    publisher.publish()
    grow(1)
    behind.execute("DELETE FROM tiles WHERE level = 0 AND position = 0")
    assert publisher.publish() is not None


def test_a_writer_that_lost_its_lease_publishes_nothing(
    either: Log, publisher: Publisher, grow: Grow, behind: Behind
) -> None:
    publisher.publish()
    grow(1)
    behind.execute("UPDATE leases SET epoch = epoch + 1")
    with pytest.raises(LedgerHeld):
        publisher.publish()
    assert behind.execute("SELECT max(size) FROM checkpoints").fetchone() == (SIZE,)


def test_proofs_are_documents_that_travel(either: Log) -> None:
    inclusion, consistency = Proofs(either.database).inclusion(7), Proofs(either.database).consistency(7)
    assert InclusionProof.model_validate(inclusion.as_document()) == inclusion
    assert ConsistencyProof.model_validate(consistency.as_document()) == consistency
    assert pickle.loads(pickle.dumps(inclusion)) == inclusion
