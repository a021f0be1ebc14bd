"""An administrator of the database rewrites history, thoroughly, and is caught: by whom, depends on what he holds.

Each attack leaves a ledger without a fault of its own: hashes fit, numbers are dense, tiles are gone and will be made
again. It is caught by whoever kept something from before:

    the database alone                   an auditor with a size and root; the publisher, which refuses to sign
    the database and the signing key     the witness, which refuses to cosign
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.domain.entry import Draft, leaf_bytes
from runtime.domain.errors import IntegrityError, LedgerCorrupt
from runtime.domain.events import ModelSuspended
from runtime.ledger.errors import LedgerHeld, NoteMalformed, PublicationRefused
from runtime.ledger.log import Log
from runtime.ledger.merkle import leaf_hash
from runtime.ledger.note import Signature, Signer
from runtime.ledger.proofs import Proofs
from runtime.ledger.publisher import Publisher
from runtime.ledger.verify import Verification, verify_log
from runtime.witness.errors import Forked, Inconsistent, Stale
from runtime.witness.memory import Memory
from runtime.witness.request import AddCheckpoint
from runtime.witness.witness import Witness
from tests.unit.ledger.conftest import ManualClock
from tests.unit.witness.logs import cosigner, key

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGIN = "fleetward.example/ledger"
EARLIER, SIZE = 260, 300  # both published; a full tile and a part of one
Leaves = list[bytes]


def another(number: int) -> bytes:
    """A leaf that never was."""
    return leaf_bytes(f"other-{number}", NOW, "mallory", ModelSuspended(model="m", reason="another history"))


def edited(at: int) -> Callable[[Leaves], Leaves]:
    return lambda leaves: [*leaves[:at], leaves[at].replace(b"drift", b"whims"), *leaves[at + 1 :]]


ATTACKS: dict[str, Callable[[Leaves], Leaves]] = {
    "edits the first entry": edited(0),
    "edits an entry under a full tile": edited(100),
    "edits the newest entry": edited(SIZE - 1),
    "deletes an entry and numbers the rest anew": lambda leaves: leaves[:100] + leaves[101:],
    "puts an entry in": lambda leaves: [*leaves[:100], another(0), *leaves[100:]],
    "swaps two entries": lambda leaves: [*leaves[:100], leaves[101], leaves[100], *leaves[102:]],
    "cuts the newest entry off": lambda leaves: leaves[:-1],
    "cuts the last entries off": lambda leaves: leaves[:200],
    "forks": lambda leaves: leaves[:250] + [another(number) for number in range(60)],
    "rolls back to what was published earlier": lambda leaves: leaves[:EARLIER],
    "rolls back and goes on otherwise": lambda leaves: leaves[:EARLIER] + [another(number) for number in range(60)],
    "begins anew": lambda leaves: [another(number) for number in range(SIZE)],
}


class CountingSigner(Signer):
    signed = 0

    def sign(self, text: str) -> Signature:
        self.signed += 1
        return super().sign(text)


@dataclass
class Scene:
    """A ledger that an auditor saw, whose publisher signed it and whose witness cosigned it."""

    path: Path
    kept: Verification
    signer: CountingSigner
    witness: Witness
    clock: ManualClock

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    @contextmanager
    def opened(self) -> Iterator[tuple[Log, Publisher]]:
        """A process of the ledger's own, with its key."""
        with Log.open(self.url, self.clock) as log:
            yield log, Publisher(log, self.signer, self.clock)

    def rewrite(self, attack: Callable[[Leaves], Leaves], *, checkpoints: bool = False) -> None:
        """Behind the ledger's back: other entries, no tiles, and the checkpoints only if told."""
        with sqlite3.connect(self.path) as raw:
            leaves = [leaf for (leaf,) in raw.execute("SELECT leaf FROM entries ORDER BY seq")]
            raw.execute("DELETE FROM entries")
            raw.execute("DELETE FROM tiles")
            rows = [row(seq, leaf) for seq, leaf in enumerate(attack(leaves))]
            raw.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", rows)
            if checkpoints:
                raw.execute("DELETE FROM checkpoints")
        raw.close()

    def cosign(self, log: Log, publisher: Publisher, held: int) -> None:
        """Publish what the log holds, and have the witness extend what it holds of it."""
        note = publisher.publish()
        assert note is not None
        proof = Proofs(log.database).consistency(held, note.size) if held <= note.size else None
        hashes = () if proof is None else tuple(bytes.fromhex(each) for each in proof.hashes)
        self.witness.add_checkpoint(AddCheckpoint(held, hashes, note.note.encode()).body())


def row(seq: int, leaf: bytes) -> tuple[object, ...]:
    """The row whose columns fit the leaf."""
    document = json.loads(leaf)
    return seq, document["event_id"], document["time"], document["event"]["kind"], leaf_hash(leaf), leaf


def an_entry(number: int) -> Draft:
    return Draft(ModelSuspended(model=f"model-{number}", reason="drift"), "ada", f"event-{number}")


@contextmanager
def scene_in(folder: Path) -> Iterator[Scene]:
    """The ledger and the witness in this folder, as they are."""
    clock, signer = ManualClock(NOW), CountingSigner(key(1), ORIGIN)
    memory = Memory.open(folder / "witness", folder / "witness.pem")
    witness = Witness(cosigner(), [signer.verifier], memory, clock)
    yield Scene(folder / "ledger.sqlite", Verification(0, "", None, None), signer, witness, clock)
    memory.close()


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what happened before any attack."""
    folder = tmp_path_factory.mktemp("past")
    with scene_in(folder) as scene, scene.opened() as (log, publisher):
        log.append([an_entry(number) for number in range(EARLIER)])
        scene.cosign(log, publisher, 0)
        log.append([an_entry(number) for number in range(EARLIER, SIZE)])
        scene.cosign(log, publisher, EARLIER)
    return folder


@pytest.fixture
def scene(past: Path, tmp_path: Path) -> Iterator[Scene]:
    shutil.copytree(past, tmp_path / "scene")
    with scene_in(tmp_path / "scene") as scene:
        scene.kept = verify_log(scene.url)
        yield scene


def test_an_honest_ledger_goes_on_to_be_signed_and_cosigned(scene: Scene) -> None:
    with scene.opened() as (log, publisher):
        log.append([an_entry(SIZE)])
        scene.cosign(log, publisher, SIZE)
    assert verify_log(scene.url, expected_size=scene.kept.size, expected_root=scene.kept.root).size == SIZE + 1


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_auditor_who_kept_a_size_and_root_catches_who_has_the_database(scene: Scene, attack: str) -> None:
    scene.rewrite(ATTACKS[attack], checkpoints=True)
    verify_log(scene.url)  # without a fault of its own
    with pytest.raises(LedgerCorrupt):
        verify_log(scene.url, expected_size=scene.kept.size, expected_root=scene.kept.root)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_publisher_that_lives_signs_no_history_but_its_own(scene: Scene, attack: str) -> None:
    with scene.opened() as (log, publisher):
        publisher.publish()
        scene.rewrite(ATTACKS[attack], checkpoints=True)
        with suppress(LedgerHeld):  # where the table does not end where this writer left it
            log.append([an_entry(SIZE)])
        with pytest.raises((PublicationRefused, IntegrityError)):
            publisher.publish()
    assert scene.signer.signed == 0


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_publisher_that_starts_signs_no_history_but_that_of_its_checkpoints(scene: Scene, attack: str) -> None:
    scene.rewrite(ATTACKS[attack])
    with scene.opened() as (log, publisher):
        log.append([an_entry(number) for number in range(1_000, 1_100)])
        with pytest.raises((PublicationRefused, IntegrityError)):
            publisher.publish()
    assert scene.signer.signed == 0


@pytest.mark.parametrize("growth", [0, 100], ids=["as it is", "grown past what was cosigned"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_witness_catches_who_holds_the_signing_key_too(scene: Scene, attack: str, growth: int) -> None:
    scene.rewrite(ATTACKS[attack], checkpoints=True)
    with scene.opened() as (log, publisher):
        log.append([an_entry(number) for number in range(1_000, 1_000 + growth)])
        with pytest.raises((Stale, Forked, Inconsistent, NoteMalformed)):
            scene.cosign(log, publisher, SIZE)
    assert scene.signer.signed == 1, "the key signs what it is told to"


def test_a_witness_is_not_talked_into_forgetting(scene: Scene) -> None:
    scene.rewrite(ATTACKS["begins anew"], checkpoints=True)
    with scene.opened() as (log, publisher):
        for claimed in (0, 100, EARLIER):
            with pytest.raises(Stale, match=str(SIZE)):
                scene.cosign(log, publisher, claimed)


def test_the_last_leaf_edited_under_its_old_hash_is_found_by_who_reads_it(scene: Scene) -> None:
    with sqlite3.connect(scene.path) as raw:
        newest = "WHERE seq = (SELECT max(seq) FROM entries)"
        raw.execute(f"UPDATE entries SET leaf = CAST(replace(leaf, 'drift', 'whims') AS BLOB) {newest}")  # noqa: S608
    raw.close()
    with pytest.raises(LedgerCorrupt, match=f"ledger entry {SIZE - 1}"):
        verify_log(scene.url)
    with Log.open_read_only(scene.url) as log, pytest.raises(LedgerCorrupt, match=f"ledger entry {SIZE - 1}"):
        list(log.entries())
