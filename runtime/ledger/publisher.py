"""Publishing checkpoints: the signed head of the tree, each second or each 1,000 entries, if the tree changed.

A signature over two heads of which one does not extend the other would make the log's key worthless, so nothing is
signed before the new head was shown to extend the old one. The head is computed from the database, not from what this
process remembers, and both must agree:

    store_tiles                      what the new leaves fill                                 short transactions
    the newest stored checkpoint     its note opens under our key, and says what its row says
    ... is the one we published      or a later one; a removed checkpoint is a rollback
    root over tiles and leaf hashes  is the root of the entries this process wrote
    consistency proof from tiles     from what we published, and from what is stored, to the new root
    check_tiles                      four tiles against their entries, the next four each time: an edited entry of
                                     long ago changes no root that is computed from tiles
    sign                             outside of any transaction: a key in a KMS answers over the network
    INSERT the note, COMMIT          <- published

A fault before COMMIT publishes nothing; the note was given to nobody, and one for a larger tree comes next. After a
fault at COMMIT the row may stand: the next publication finds it, opens it, and extends it.

What this cannot see: whoever holds the database *and* stops this process can go back to an older state of both tables
and start again. Witnesses and anchors, who keep what they saw, can.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert

from runtime.domain.base import rfc3339
from runtime.domain.errors import FleetwardError
from runtime.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from runtime.ledger.errors import NoteMalformed, NoteUntrusted, PublicationRefused
from runtime.ledger.log import LogReader
from runtime.ledger.merkle import verify_consistency
from runtime.ledger.note import Signer, Verifier
from runtime.ledger.proofs import PublishedCheckpoint, published
from runtime.ledger.schema import CHECKPOINTS
from runtime.ledger.tiles import TILE_WIDTH, Tree, check_tiles, store_tiles

INTERVAL = timedelta(seconds=1)
ENTRIES = 1_000
POLL_SECONDS = 0.1
TILES_CHECKED = 4
"""1,024 entries with each checkpoint: about as many as are new, and a million in 1,000 checkpoints."""

_log = logging.getLogger(__name__)


def origin_of(log: LogReader) -> str:
    """A name for a log that has none: of its first entry, so that it stays, and no other log has it.

    Raises ``LedgerCorrupt`` while there is no entry.
    """
    with log.database.reading() as connection:
        return f"fleetward/{Tree(connection).leaf(0).hex()[:16]}"


class Publisher:
    """Publishes the checkpoints of one log under the name of its signer, which is the log's origin.

    ``trusted`` are earlier keys of the log, whose stored checkpoints are believed beside those of the signer.
    """

    def __init__(
        self, log: LogReader, signer: Signer, clock: Callable[[], datetime], *, trusted: Iterable[Verifier] = ()
    ) -> None:
        self._log = log
        self._signer = signer
        self._clock = clock
        self._trusted = (signer.verifier, *trusted)
        self._turn = threading.Lock()
        self._last: Checkpoint | None = None  # of this process, or found under a trusted key
        self._tried: tuple[datetime, int] | None = None
        self._checked = 0  # level-0 tiles found good in this round

    def due(self) -> bool:
        """Whether the tree changed, and a second passed or 1,000 entries came since the last try."""
        size, _ = self._log.head()
        if size == (0 if self._last is None else self._last.size):
            return False
        if self._tried is None:
            return True
        at, tried = self._tried
        return not timedelta(0) <= self._clock() - at < INTERVAL or size - tried >= ENTRIES

    def publish(self) -> PublishedCheckpoint | None:
        """The checkpoint of the tree as it is now, published already or just then; None while there are no entries.

        Raises ``PublicationRefused`` or ``LedgerCorrupt`` when the database was tampered with, and then nothing is
        signed; ``LedgerUnavailable`` and its kinds, and what the signer raises: try again.
        """
        with self._turn:
            now, (size, root) = self._clock(), self._log.head()
            self._tried = (now, size)
            store_tiles(self._log.database, size)
            with self._log.database.reading() as connection:
                found = self._prove(connection, size, root)
            if found is not None or size == 0:
                return found
            checkpoint = Checkpoint(self._signer.verifier.name, size, root)
            note = sign_checkpoint(checkpoint, self._signer)
            row = {"size": size, "time": rfc3339(now), "root": root, "note": note}
            with self._log.database.writing() as connection:
                connection.execute(insert(CHECKPOINTS), row)
            self._last = checkpoint
            return PublishedCheckpoint(size=size, root=root.hex(), time=now, note=note.decode())

    def _prove(self, connection: Connection, size: int, root: bytes) -> PublishedCheckpoint | None:
        """Pass silently if a checkpoint of this size and root may be signed, or give the one that stands already."""
        tree, stored = Tree(connection), published(connection)
        if (found := tree.root(size)) != root:
            raise PublicationRefused(size, f"its leaf hashes have root {found.hex()}, what was written {root.hex()}")
        known = None if stored is None else self._opened(size, stored)
        if self._last is not None and (known is None or known.size < self._last.size):
            raise PublicationRefused(size, f"the checkpoint of {self._last.size} that was published is gone")
        for earlier in (self._last, known):
            if earlier is not None:
                _require_extension(tree, earlier, size, root)
        self._check_tiles(connection, size // TILE_WIDTH)
        self._last = known
        return stored if stored is not None and stored.size == size else None

    def _check_tiles(self, connection: Connection, full: int) -> None:
        """Check the next tiles of this round. A bad one is met again at the next try."""
        for _ in range(min(full, TILES_CHECKED)):
            check_tiles(connection, self._checked % full)
            self._checked = (self._checked + 1) % full

    def _opened(self, size: int, stored: PublishedCheckpoint) -> Checkpoint:
        """What a stored note says, if a key of ours signed it and its row says the same."""
        try:
            checkpoint, _ = open_checkpoint(stored.note.encode(), self._trusted, origin=self._signer.verifier.name)
        except (NoteMalformed, NoteUntrusted) as error:
            raise PublicationRefused(size, f"the stored checkpoint of {stored.size} is not ours: {error}") from error
        if (checkpoint.size, checkpoint.root.hex()) != (stored.size, stored.root):
            raise PublicationRefused(size, f"the row of checkpoint {stored.size} says other than its note")
        return checkpoint


class PublisherThread:
    """Publishes what is due, on a thread of its own, until it is stopped. ``failure`` is why the last try failed."""

    def __init__(self, publisher: Publisher, *, poll_seconds: float = POLL_SECONDS) -> None:
        self.failure: Exception | None = None
        self._publisher = publisher
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        # A daemon: a process that ends without stop() has published what is committed, and nothing else.
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Publish nothing more; returns when the thread has ended. May be called again."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            try:
                if self._publisher.due():
                    self._publisher.publish()
                    self.failure = None
            except Exception as error:  # noqa: BLE001 - a KMS client raises its own; the next try may succeed
                self._tell(error)
                self.failure = error

    def _tell(self, error: Exception) -> None:
        """Log a failure once, not once a second."""
        if repr(error) != repr(self.failure):
            expected = isinstance(error, FleetwardError)
            _log.error("no checkpoint is published: %s", error, exc_info=None if expected else error)


def _require_extension(tree: Tree, earlier: Checkpoint, size: int, root: bytes) -> None:
    if earlier.size > size:
        raise PublicationRefused(size, f"a checkpoint of {earlier.size} entries was published: the ledger was cut")
    proof = tree.consistency_proof(earlier.size, size)
    if not verify_consistency(earlier.size, size, proof, earlier.root, root):
        raise PublicationRefused(size, f"it does not extend the published checkpoint of {earlier.size}")
