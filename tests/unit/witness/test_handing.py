"""A real ledger hands its checkpoints on, and who rewrites it is caught by those who hold them."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from runtime.ledger.cosigned import keep_cosigned
from runtime.ledger.errors import PublicationRefused
from runtime.ledger.log import Log
from runtime.ledger.note import Signer
from runtime.ledger.proofs import Proofs, PublishedCheckpoint
from runtime.ledger.publisher import Publisher
from runtime.witness.errors import WitnessContradicts, WitnessUnreachable
from runtime.witness.handing import Handing
from runtime.witness.memory import Memory
from runtime.witness.submit import WitnessClient
from runtime.witness.witness import Witness
from tests.unit.witness.conftest import Clock
from tests.unit.witness.logs import NOON, cosigner, key

SOON = timedelta(milliseconds=5)
PATIENCE_SECONDS = 20.0
SIGNER = Signer(key(1), "log.example")


def grow(log: Log, until: int, reason: str = "drift") -> None:
    numbers = range(log.size, until)
    log.append([Draft(ModelSuspended(model="m", reason=reason), "ada", f"event-{number}") for number in numbers])


def published(log: Log, clock: Clock) -> PublishedCheckpoint:
    checkpoint = Publisher(log, SIGNER, clock).publish()
    assert checkpoint is not None
    return checkpoint


def eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def ledger(url: str, clock: Clock) -> Iterator[Log]:
    with Log.open(url, clock) as log:
        yield log


@pytest.fixture
def client(served: Callable[[Witness], str], witness: Witness) -> Iterator[WitnessClient]:
    with closing(WitnessClient(served(witness), witness.verifier)) as client:
        yield client


def test_a_ledgers_checkpoints_are_cosigned_with_proofs_from_its_tiles(
    ledger: Log, client: WitnessClient, witness: Witness, clock: Clock
) -> None:
    for size in (1, 300, 301, 700):
        grow(ledger, size)
        note = client.submit(published(ledger, clock).note.encode(), Proofs(ledger.database))
        checkpoint, opened = open_checkpoint(note, [SIGNER.verifier], [witness.verifier])
        assert (checkpoint.size, checkpoint.root.hex()) == (size, ledger.root)
        assert len(opened.signed) == 2


def test_cosignatures_join_the_stored_checkpoint(
    ledger: Log,
    client: WitnessClient,
    witness: Witness,
    served: Callable[[Witness], str],
    clock: Clock,
    tmp_path: Path,
) -> None:
    grow(ledger, 5)
    note, proofs = published(ledger, clock).note.encode(), Proofs(ledger.database)
    with closing(Memory.open(tmp_path / "second", tmp_path / "none")) as memory:
        second = Witness(cosigner(3), [SIGNER.verifier], memory, clock)
        with closing(WitnessClient(served(second), second.verifier)) as other:
            for each in (client, other, client):
                keep_cosigned(ledger.database, each.submit(note, proofs))
    stored = proofs.checkpoint()
    assert stored is not None
    _, opened = open_checkpoint(stored.note.encode(), [SIGNER.verifier], [witness.verifier, second.verifier])
    assert len(opened.signed) == 3
    grow(ledger, 6)
    assert published(ledger, clock).size == 6, "the publisher goes on from a cosigned checkpoint"


def test_cosignatures_of_what_was_never_published_are_not_kept(ledger: Log, clock: Clock) -> None:
    grow(ledger, 5)
    published(ledger, clock)
    for size, root in ((4, bytes(32)), (5, bytes(32))):
        with pytest.raises(PublicationRefused, match="not, or no longer, stored"):
            keep_cosigned(ledger.database, sign_checkpoint(Checkpoint("log.example", size, root), SIGNER))


def test_each_new_checkpoint_is_handed_on_once(ledger: Log, clock: Clock) -> None:
    handed: list[bytes] = []
    handing = Handing("anchor", Proofs(ledger.database).checkpoint, handed.append, SOON)
    try:
        assert handing.handed == 0
        for size in (3, 7):
            grow(ledger, size)
            published(ledger, clock)
            eventually(lambda: handing.handed == size, f"size {size} is not handed on")  # noqa: B023 - asked at once
    finally:
        handing.stop()
    handing.stop()
    assert len(handed) == 2
    assert handing.failure is None


def test_an_outsider_that_fails_is_tried_again_and_told_once(
    ledger: Log, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[bytes] = []
    repaired = threading.Event()

    def hand(note: bytes) -> None:
        tries.append(note)
        if not repaired.is_set():
            raise WitnessUnreachable("http://w.example", "refused")

    grow(ledger, 3)
    published(ledger, clock)
    handing = Handing("http://w.example", Proofs(ledger.database).checkpoint, hand, SOON)
    try:
        eventually(lambda: len(tries) > 3, "it is not tried again")
        assert isinstance(handing.failure, WitnessUnreachable)
        assert handing.handed == 0
        repaired.set()
        eventually(lambda: handing.handed == 3, "it is not handed on")
        assert handing.failure is None
        assert handing.contradiction is None
    finally:
        handing.stop()
    assert [record.message for record in caplog.records] == [
        "http://w.example does not get the checkpoint: witness http://w.example: refused"
    ]


# --- an administrator with the database and the signing key -----------------------------------------


def _cut(log: Log) -> None:
    """The last entries are gone: an older copy of the database was put back."""


def _rewritten_as_long(log: Log) -> None:
    grow(log, 9, "no drift at all")


def _rewritten_and_longer(log: Log) -> None:
    grow(log, 12, "no drift at all")


@pytest.mark.parametrize("rewrite", [_cut, _rewritten_as_long, _rewritten_and_longer])
def test_who_holds_the_database_and_the_key_is_caught_by_the_witness(
    url: str, client: WitnessClient, clock: Clock, tmp_path: Path, rewrite: Callable[[Log], None]
) -> None:
    with Log.open(url, clock) as log:
        grow(log, 5)
    shutil.copy(tmp_path / "ledger.db", tmp_path / "kept.db")
    with Log.open(url, clock) as log:
        grow(log, 9)
        client.submit(published(log, clock).note.encode(), Proofs(log.database))
    shutil.copy(tmp_path / "kept.db", tmp_path / "ledger.db")
    with Log.open(url, clock) as log:
        rewrite(log)
        proofs, note = Proofs(log.database), published(log, clock).note.encode()
        assert open_checkpoint(note, [SIGNER.verifier])[0].size == log.size, "the log itself notices nothing"
        handing = Handing("witness", proofs.checkpoint, lambda note: client.submit(note, proofs), SOON)
        try:
            eventually(lambda: handing.contradiction is not None, "nobody noticed")
        finally:
            handing.stop()
    assert isinstance(handing.contradiction, WitnessContradicts)
    assert handing.contradiction.held_size == 9
    assert handing.handed == 0


def test_what_no_outsider_holds_yet_can_be_rewritten(
    url: str, client: WitnessClient, witness: Witness, clock: Clock, tmp_path: Path
) -> None:
    """The window that docs/operations/witness-and-anchors.md states."""
    with Log.open(url, clock) as log:
        grow(log, 5)
        client.submit(published(log, clock).note.encode(), Proofs(log.database))
    shutil.copy(tmp_path / "ledger.db", tmp_path / "kept.db")
    with Log.open(url, clock) as log:
        grow(log, 9)
        published(log, clock)  # signed, but handed to nobody
    shutil.copy(tmp_path / "kept.db", tmp_path / "ledger.db")
    with Log.open(url, clock) as log:
        _rewritten_as_long(log)
        note = client.submit(published(log, clock).note.encode(), Proofs(log.database))
        _, opened = open_checkpoint(note, [SIGNER.verifier], [witness.verifier])
        assert [line.time for line in opened.signed] == [None, NOON]
