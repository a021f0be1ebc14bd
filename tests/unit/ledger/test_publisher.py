"""Checkpoints, on SQLite and on PostgreSQL: when one is published, and that none is signed over tampered tables."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from runtime.domain.entry import Draft
from runtime.domain.errors import IntegrityError, LedgerCorrupt
from runtime.ledger.checkpoint import Checkpoint, open_checkpoint
from runtime.ledger.errors import LedgerLocked, NeverHeld, PublicationRefused
from runtime.ledger.log import Log
from runtime.ledger.note import Signature, Signer
from runtime.ledger.proofs import Proofs
from runtime.ledger.publisher import ENTRIES, Publisher, PublisherThread
from runtime.ledger.signing import SigningKey
from tests.unit.ledger.behind import Behind
from tests.unit.ledger.conftest import ManualClock
from tests.waiting import wait_until

ORIGIN = "fleetward.example/ledger"
ANY_HASH = bytes(range(32))


@pytest.fixture
def url(database_url: str) -> str:
    """Every law of this file holds on every kind of database."""
    return database_url


class CountingSigner(Signer):
    """A real signer that tells how often it signed."""

    signed = 0

    def sign(self, text: str) -> Signature:
        self.signed += 1
        return super().sign(text)


@pytest.fixture
def signer(tmp_path: Path) -> CountingSigner:
    return CountingSigner(SigningKey.load_or_create(tmp_path / "key.pem"), ORIGIN)


@pytest.fixture
def grow(log: Log, draft: Callable[..., Draft]) -> Callable[[int], None]:
    """Appends so many entries."""

    def grows(count: int) -> None:
        size = log.size
        log.append([draft(number) for number in range(size, size + count)])

    return grows


@pytest.fixture
def publisher(log: Log, signer: Signer, clock: ManualClock) -> Publisher:
    return Publisher(log, signer, clock)


Grow = Callable[[int], None]


def checkpoint_of(note: str, signer: Signer) -> Checkpoint:
    checkpoint, _ = open_checkpoint(note.encode(), [signer.verifier])
    return checkpoint


def sizes(behind: Behind) -> list[int]:
    return [size for (size,) in behind.execute("SELECT size FROM checkpoints ORDER BY size")]


def test_a_published_checkpoint_is_the_signed_head_of_the_log(
    log: Log, publisher: Publisher, signer: Signer, clock: ManualClock, grow: Grow
) -> None:
    grow(700)
    published = publisher.publish()
    assert published is not None
    assert (published.size, published.root, published.time) == (700, log.root, clock.now)
    assert checkpoint_of(published.note, signer) == Checkpoint(ORIGIN, 700, bytes.fromhex(log.root))
    assert Proofs(log.database).checkpoint() == published


def test_an_empty_log_has_no_checkpoint(publisher: Publisher, signer: CountingSigner, log: Log) -> None:
    assert not publisher.due()
    assert publisher.publish() is None
    assert (signer.signed, Proofs(log.database).checkpoint()) == (0, None)


def test_the_same_tree_is_signed_once(publisher: Publisher, signer: CountingSigner, grow: Grow) -> None:
    grow(3)
    assert publisher.publish() == publisher.publish()
    assert signer.signed == 1


def test_a_checkpoint_is_due_a_second_after_the_last_if_the_tree_changed(
    publisher: Publisher, clock: ManualClock, grow: Grow
) -> None:
    grow(1)
    assert publisher.due()
    publisher.publish()
    clock.move(10)
    assert not publisher.due()
    grow(1)
    assert publisher.due()
    publisher.publish()
    grow(1)
    clock.move(0.99)
    assert not publisher.due()
    clock.move(0.01)
    assert publisher.due()


def test_a_thousand_entries_do_not_wait_for_the_second(publisher: Publisher, grow: Grow) -> None:
    grow(1)
    publisher.publish()
    grow(ENTRIES - 1)
    assert not publisher.due()
    grow(1)
    assert publisher.due()


def test_a_clock_that_goes_back_stops_no_checkpoints(publisher: Publisher, clock: ManualClock, grow: Grow) -> None:
    grow(1)
    publisher.publish()
    grow(1)
    clock.move(-3600)
    assert publisher.due()


def test_a_new_process_extends_what_the_last_one_published(
    log: Log, signer: CountingSigner, clock: ManualClock, grow: Grow, behind: Behind
) -> None:
    grow(300)
    first = Publisher(log, signer, clock).publish()
    again = Publisher(log, signer, clock)
    assert again.publish() == first
    grow(300)
    assert again.publish() is not None
    assert (sizes(behind), signer.signed) == ([300, 600], 2)


def test_every_checkpoint_extends_those_before(log: Log, publisher: Publisher, signer: Signer, grow: Grow) -> None:
    seen = []
    for count in (1, 255, 1, 256, 600, 3):
        grow(count)
        published = publisher.publish()
        assert published is not None
        seen.append(checkpoint_of(published.note, signer))
    for old, new in pairwise(seen):
        proof = Proofs(log.database).consistency(old.size, new.size)
        assert proof.holds()
        assert (proof.old_root, proof.root) == (old.root.hex(), new.root.hex())


Attack = Callable[[Behind], object]


def done(statement: str, *values: bytes) -> Attack:
    """A statement that must meet a row."""

    def attack(behind: Behind) -> None:
        assert behind.execute(statement, values).rowcount

    return attack


def edited(cell: str, how: Callable[[bytes], bytes]) -> Attack:
    """Other bytes in one cell, given as "table.column WHERE condition"."""
    (table, column), condition = cell.partition(" ")[0].split("."), cell.partition(" ")[2]

    def attack(behind: Behind) -> None:
        (old,) = behind.execute(f"SELECT {column} FROM {table} {condition}").fetchone()  # noqa: S608 - as written below
        done(f"UPDATE {table} SET {column} = ? {condition}", how(old))(behind)  # noqa: S608 - as above

    return attack


def first_hash_edited(hashes: bytes) -> bytes:
    return ANY_HASH + hashes[32:]


TAMPERED: dict[str, Attack] = {
    "an entry and its hash in the tail": done(
        "UPDATE entries SET leaf = ?, leaf_hash = ? WHERE seq = 650", b"\x00", ANY_HASH
    ),
    "a leaf hash under a tile": done("UPDATE entries SET leaf_hash = ? WHERE seq = 5", ANY_HASH),
    "the end of a full tile's entries is gone": done("DELETE FROM entries WHERE seq = 511"),
    "the tail is cut": done("DELETE FROM entries WHERE seq >= 620"),
    "an entry is gone": done("DELETE FROM entries WHERE seq = 640"),
    "an entry stands in the place of another": done(
        "UPDATE entries SET leaf_hash = (SELECT leaf_hash FROM entries AS other WHERE other.seq = 650) WHERE seq = 649"
    ),
    "a hash of a full tile": edited("tiles.hashes WHERE level = 0 AND position = 0", first_hash_edited),
    "a hash of an upper tile": edited("tiles.hashes WHERE level = 1", first_hash_edited),
    "a cut tile": edited("tiles.hashes WHERE level = 1", lambda hashes: hashes[:32]),
    "the last checkpoint is gone": done("DELETE FROM checkpoints WHERE size = 600"),
    "all checkpoints are gone": done("DELETE FROM checkpoints"),
    "a checkpoint's root": done("UPDATE checkpoints SET root = ? WHERE size = 600", ANY_HASH),
    "a checkpoint's note": edited("checkpoints.note WHERE size = 600", lambda note: note.replace(b"600", b"601")),
    "a note of nobody": done("INSERT INTO checkpoints VALUES (601, 't', ?, ?)", ANY_HASH, b"x"),
    "a checkpoint moved to another size": done("UPDATE checkpoints SET size = 601 WHERE size = 600"),
}


@pytest.fixture
def published(publisher: Publisher, grow: Grow) -> None:
    """Checkpoints of 300 and 600 entries, and 60 entries behind."""
    for count in (300, 300):
        grow(count)
        publisher.publish()
    grow(60)


@pytest.mark.parametrize("attack", TAMPERED.values(), ids=TAMPERED.keys())
def test_nothing_is_signed_over_a_database_that_was_tampered_with(
    attack: Attack, published: None, publisher: Publisher, signer: CountingSigner, behind: Behind
) -> None:
    attack(behind)
    before, stand = signer.signed, sizes(behind)
    for _ in range(3):  # it is not forgotten
        with pytest.raises(IntegrityError):
            publisher.publish()
    assert (signer.signed, sizes(behind)) == (before, stand)


def test_untouched_the_same_database_is_signed(published: None, publisher: Publisher, behind: Behind) -> None:
    publisher.publish()
    assert sizes(behind) == [300, 600, 660]


def forged(behind: Behind) -> None:
    """One entry edited with everything that is computed from it: what an administrator with our code would do."""
    from runtime.ledger.merkle import leaf_hash, root

    leaf = behind.leaf(7).replace(b"drift", b"drafr")
    behind.execute("UPDATE entries SET leaf = ?, leaf_hash = ? WHERE seq = 7", (leaf, leaf_hash(leaf)))
    hashes = [row[0] for row in behind.execute("SELECT leaf_hash FROM entries ORDER BY seq")]
    tiles = [hashes[:256], hashes[256:512]]
    for position, tile in enumerate(tiles):
        behind.execute("UPDATE tiles SET hashes = ? WHERE level = 0 AND position = ?", (b"".join(tile), position))
    behind.execute("UPDATE tiles SET hashes = ? WHERE level = 1", (b"".join(map(root, tiles)),))


def test_a_history_forged_with_all_its_hashes_does_not_extend_what_was_published(
    published: None, publisher: Publisher, signer: CountingSigner, behind: Behind
) -> None:
    forged(behind)
    with pytest.raises(PublicationRefused, match="its leaf hashes have root"):
        publisher.publish()
    assert signer.signed == 2


def test_nor_does_it_for_a_new_process_that_remembers_nothing(
    published: None, url: str, log: Log, signer: CountingSigner, clock: ManualClock, behind: Behind
) -> None:
    forged(behind)
    log.close()
    with Log.open(url, clock) as reopened, pytest.raises(PublicationRefused, match="published checkpoint of 600"):
        Publisher(reopened, signer, clock).publish()
    assert signer.signed == 2


def test_a_cut_ledger_is_not_signed_by_a_new_process(
    published: None, url: str, log: Log, signer: CountingSigner, clock: ManualClock, behind: Behind
) -> None:
    log.close()
    behind.execute("DELETE FROM entries WHERE seq >= 550")
    with Log.open(url, clock) as reopened, pytest.raises(PublicationRefused, match="the ledger was cut"):
        Publisher(reopened, signer, clock).publish()


def test_an_edited_entry_of_long_ago_is_found_though_no_root_shows_it(
    published: None, publisher: Publisher, grow: Grow, behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.ledger.publisher.TILES_CHECKED", 1)
    done("UPDATE entries SET leaf_hash = ? WHERE seq = 260", ANY_HASH)(behind)
    publisher.publish()  # looks at the other tile
    grow(1)
    with pytest.raises(LedgerCorrupt, match="entry 260"):
        publisher.publish()


def test_a_checkpoint_of_another_key_is_refused_unless_that_key_is_trusted(
    published: None, log: Log, signer: Signer, clock: ManualClock, tmp_path: Path
) -> None:
    other = Signer(SigningKey.load_or_create(tmp_path / "other.pem"), ORIGIN)
    with pytest.raises(PublicationRefused, match="is not ours"):
        Publisher(log, other, clock).publish()
    renewed = Publisher(log, other, clock, trusted=[signer.verifier]).publish()
    assert renewed is not None
    assert checkpoint_of(renewed.note, other).size == 660


def test_a_checkpoint_of_another_log_is_refused(
    published: None, log: Log, clock: ManualClock, tmp_path: Path, signer: Signer
) -> None:
    elsewhere = Signer(SigningKey.load_or_create(tmp_path / "key.pem"), "fleetward.example/other")
    with pytest.raises(PublicationRefused, match="of the log"):
        Publisher(log, elsewhere, clock, trusted=[signer.verifier]).publish()


def test_a_fault_of_the_signer_publishes_nothing_and_is_made_good_by_the_next_try(
    publisher: Publisher, signer: CountingSigner, grow: Grow, behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(self: object, text: str) -> Signature:
        raise ConnectionError("the KMS does not answer")

    grow(3)
    with monkeypatch.context() as patched:
        patched.setattr(CountingSigner, "sign", unreachable)
        with pytest.raises(ConnectionError):
            publisher.publish()
    assert sizes(behind) == []
    grow(1)
    assert publisher.publish() is not None
    assert sizes(behind) == [4]


def test_a_locked_database_publishes_nothing_and_is_made_good_by_the_next_try(
    url: str, signer: CountingSigner, clock: ManualClock, draft: Callable[..., Draft], behind: Behind
) -> None:
    with Log.open(url, clock, lock_timeout=timedelta(milliseconds=50)) as log:
        log.append([draft(1)])
        publisher = Publisher(log, signer, clock)
        behind.lock_writers_out()
        with pytest.raises(LedgerLocked):
            publisher.publish()
        behind.execute("ROLLBACK")
        assert publisher.publish() is not None


def test_what_stands_though_its_commit_failed_is_found_and_extended(
    publisher: Publisher, log: Log, signer: CountingSigner, clock: ManualClock, grow: Grow, behind: Behind
) -> None:
    grow(3)
    publisher.publish()
    grow(3)
    Publisher(log, signer, clock).publish()  # as if it were our own, committed without our knowing
    assert publisher.publish() is not None
    grow(1)
    publisher.publish()
    assert (sizes(behind), signer.signed) == ([3, 6, 7], 3)


def test_the_thread_publishes_what_is_due_until_it_is_stopped(
    log: Log, publisher: Publisher, clock: ManualClock, grow: Grow
) -> None:
    def newest() -> int:
        published = Proofs(log.database).checkpoint()
        return 0 if published is None else published.size

    thread = PublisherThread(publisher, poll_seconds=0.005)
    grow(2)
    wait_until(lambda: newest() == 2)
    grow(3)
    clock.move(1)
    wait_until(lambda: newest() == 5)
    thread.stop()
    grow(1)
    clock.move(10)
    assert (newest(), publisher.due(), thread.failure) == (5, True, None)
    thread.stop()


def test_the_thread_outlives_a_refusal_and_says_why(
    published: None, publisher: Publisher, clock: ManualClock, behind: Behind, grow: Grow
) -> None:
    note = behind.execute("SELECT note FROM checkpoints WHERE size = 600").fetchone()[0]
    done("UPDATE checkpoints SET note = ? WHERE size = 600", b"\x00")(behind)
    thread = PublisherThread(publisher, poll_seconds=0.005)
    clock.move(1)
    wait_until(lambda: isinstance(thread.failure, PublicationRefused))
    behind.execute("UPDATE checkpoints SET note = ? WHERE size = 600", (note,))
    clock.move(1)
    wait_until(lambda: thread.failure is None)
    thread.stop()
    assert sizes(behind) == [300, 600, 660]


@pytest.mark.parametrize("error", [PublicationRefused(3, "cut"), NeverHeld("entry 7", 3)])
def test_errors_survive_the_way_between_actors(error: Exception) -> None:
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
