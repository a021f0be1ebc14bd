"""Checkpoints: when one is published, and that none is signed over a database that was tampered with."""

from __future__ import annotations

import pickle
import sqlite3
import time
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
from tests.unit.ledger.conftest import ManualClock

ORIGIN = "fleetward.example/ledger"
PATIENCE_SECONDS = 20.0


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


def sizes(raw: sqlite3.Connection) -> list[int]:
    return [size for (size,) in raw.execute("SELECT size FROM checkpoints ORDER BY size")]


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
    log: Log, signer: CountingSigner, clock: ManualClock, grow: Grow, raw: sqlite3.Connection
) -> None:
    grow(300)
    first = Publisher(log, signer, clock).publish()
    again = Publisher(log, signer, clock)
    assert again.publish() == first
    grow(300)
    assert again.publish() is not None
    assert (sizes(raw), signer.signed) == ([300, 600], 2)


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


TAMPERED = {
    "an entry and its hash in the tail": "UPDATE entries SET leaf = x'00', leaf_hash = randomblob(32) WHERE seq = 650",
    "a leaf hash under a tile": "UPDATE entries SET leaf_hash = randomblob(32) WHERE seq = 5",
    "the end of a full tile's entries is gone": "DELETE FROM entries WHERE seq = 511",
    "the tail is cut": "DELETE FROM entries WHERE seq >= 620",
    "an entry is gone": "DELETE FROM entries WHERE seq = 640",
    "an entry stands in the place of another": (
        "UPDATE entries SET leaf_hash = (SELECT leaf_hash FROM entries AS other WHERE other.seq = 650) WHERE seq = 649"
    ),
    "a hash of a full tile": (
        "UPDATE tiles SET hashes = CAST(randomblob(32) || substr(hashes, 33) AS BLOB) WHERE level = 0 AND position = 0"
    ),
    "a hash of an upper tile": (
        "UPDATE tiles SET hashes = CAST(randomblob(32) || substr(hashes, 33) AS BLOB) WHERE level = 1"
    ),
    "a cut tile": "UPDATE tiles SET hashes = substr(hashes, 1, 32) WHERE level = 1",
    "the last checkpoint is gone": "DELETE FROM checkpoints WHERE size = 600",
    "all checkpoints are gone": "DELETE FROM checkpoints",
    "a checkpoint's root": "UPDATE checkpoints SET root = randomblob(32) WHERE size = 600",
    "a checkpoint's note": "UPDATE checkpoints SET note = CAST(replace(note, '600', '601') AS BLOB) WHERE size = 600",
    "a note of nobody": "INSERT INTO checkpoints VALUES (601, 't', randomblob(32), CAST('x' AS BLOB))",
    "a checkpoint moved to another size": "UPDATE checkpoints SET size = 601 WHERE size = 600",
}


@pytest.fixture
def published(publisher: Publisher, grow: Grow) -> None:
    """Checkpoints of 300 and 600 entries, and 60 entries behind."""
    for count in (300, 300):
        grow(count)
        publisher.publish()
    grow(60)


@pytest.mark.parametrize("how", TAMPERED.values(), ids=TAMPERED.keys())
def test_nothing_is_signed_over_a_database_that_was_tampered_with(
    how: str, published: None, publisher: Publisher, signer: CountingSigner, raw: sqlite3.Connection
) -> None:
    assert raw.execute(how).rowcount
    before, stand = signer.signed, sizes(raw)
    for _ in range(3):  # it is not forgotten
        with pytest.raises(IntegrityError):
            publisher.publish()
    assert (signer.signed, sizes(raw)) == (before, stand)


def test_untouched_the_same_database_is_signed(published: None, publisher: Publisher, raw: sqlite3.Connection) -> None:
    publisher.publish()
    assert sizes(raw) == [300, 600, 660]


def forged(raw: sqlite3.Connection) -> None:
    """One entry edited with everything that is computed from it: what an administrator with our code would do."""
    from runtime.ledger.merkle import leaf_hash, root

    leaf = raw.execute("SELECT leaf FROM entries WHERE seq = 7").fetchone()[0].replace(b"drift", b"drafr")
    raw.execute("UPDATE entries SET leaf = ?, leaf_hash = ? WHERE seq = 7", (leaf, leaf_hash(leaf)))
    hashes = [row[0] for row in raw.execute("SELECT leaf_hash FROM entries ORDER BY seq")]
    tiles = [hashes[:256], hashes[256:512]]
    for position, tile in enumerate(tiles):
        raw.execute("UPDATE tiles SET hashes = ? WHERE level = 0 AND position = ?", (b"".join(tile), position))
    raw.execute("UPDATE tiles SET hashes = ? WHERE level = 1", (b"".join(map(root, tiles)),))


def test_a_history_forged_with_all_its_hashes_does_not_extend_what_was_published(
    published: None, publisher: Publisher, signer: CountingSigner, raw: sqlite3.Connection
) -> None:
    forged(raw)
    with pytest.raises(PublicationRefused, match="its leaf hashes have root"):
        publisher.publish()
    assert signer.signed == 2


def test_nor_does_it_for_a_new_process_that_remembers_nothing(
    published: None, url: str, log: Log, signer: CountingSigner, clock: ManualClock, raw: sqlite3.Connection
) -> None:
    forged(raw)
    log.close()
    with Log.open(url, clock) as reopened, pytest.raises(PublicationRefused, match="published checkpoint of 600"):
        Publisher(reopened, signer, clock).publish()
    assert signer.signed == 2


def test_a_cut_ledger_is_not_signed_by_a_new_process(
    published: None, url: str, log: Log, signer: CountingSigner, clock: ManualClock, raw: sqlite3.Connection
) -> None:
    log.close()
    raw.execute("DELETE FROM entries WHERE seq >= 550")
    with Log.open(url, clock) as reopened, pytest.raises(PublicationRefused, match="the ledger was cut"):
        Publisher(reopened, signer, clock).publish()


def test_an_edited_entry_of_long_ago_is_found_though_no_root_shows_it(
    published: None, publisher: Publisher, grow: Grow, raw: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.ledger.publisher.TILES_CHECKED", 1)
    raw.execute("UPDATE entries SET leaf_hash = randomblob(32) WHERE seq = 260")
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
    publisher: Publisher, signer: CountingSigner, grow: Grow, raw: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(self: object, text: str) -> Signature:
        raise ConnectionError("the KMS does not answer")

    grow(3)
    with monkeypatch.context() as patched:
        patched.setattr(CountingSigner, "sign", unreachable)
        with pytest.raises(ConnectionError):
            publisher.publish()
    assert sizes(raw) == []
    grow(1)
    assert publisher.publish() is not None
    assert sizes(raw) == [4]


def test_a_locked_database_publishes_nothing_and_is_made_good_by_the_next_try(
    url: str, signer: CountingSigner, clock: ManualClock, draft: Callable[..., Draft], raw: sqlite3.Connection
) -> None:
    with Log.open(url, clock, lock_timeout=timedelta(milliseconds=50)) as log:
        log.append([draft(1)])
        publisher = Publisher(log, signer, clock)
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerLocked):
            publisher.publish()
        raw.execute("ROLLBACK")
        assert publisher.publish() is not None


def test_what_stands_though_its_commit_failed_is_found_and_extended(
    publisher: Publisher, log: Log, signer: CountingSigner, clock: ManualClock, grow: Grow, raw: sqlite3.Connection
) -> None:
    grow(3)
    publisher.publish()
    grow(3)
    Publisher(log, signer, clock).publish()  # as if it were our own, committed without our knowing
    assert publisher.publish() is not None
    grow(1)
    publisher.publish()
    assert (sizes(raw), signer.signed) == ([3, 6, 7], 3)


def eventually(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.005)


def test_the_thread_publishes_what_is_due_until_it_is_stopped(
    log: Log, publisher: Publisher, clock: ManualClock, grow: Grow
) -> None:
    def newest() -> int:
        published = Proofs(log.database).checkpoint()
        return 0 if published is None else published.size

    thread = PublisherThread(publisher, poll_seconds=0.005)
    grow(2)
    eventually(lambda: newest() == 2)
    grow(3)
    clock.move(1)
    eventually(lambda: newest() == 5)
    thread.stop()
    grow(1)
    clock.move(10)
    assert (newest(), publisher.due(), thread.failure) == (5, True, None)
    thread.stop()


def test_the_thread_outlives_a_refusal_and_says_why(
    published: None, publisher: Publisher, clock: ManualClock, raw: sqlite3.Connection, grow: Grow
) -> None:
    note = raw.execute("SELECT note FROM checkpoints WHERE size = 600").fetchone()[0]
    raw.execute("UPDATE checkpoints SET note = x'00' WHERE size = 600")
    thread = PublisherThread(publisher, poll_seconds=0.005)
    clock.move(1)
    eventually(lambda: isinstance(thread.failure, PublicationRefused))
    raw.execute("UPDATE checkpoints SET note = ? WHERE size = 600", (note,))
    clock.move(1)
    eventually(lambda: thread.failure is None)
    thread.stop()
    assert sizes(raw) == [300, 600, 660]


@pytest.mark.parametrize("error", [PublicationRefused(3, "cut"), NeverHeld("entry 7", 3)])
def test_errors_survive_the_way_between_actors(error: Exception) -> None:
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
