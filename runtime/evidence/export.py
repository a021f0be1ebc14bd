"""Writing files of evidence whole or not at all, and the bundle of a ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from runtime.domain.keeping import BodiesDeleted
from runtime.evidence.errors import EvidenceMissing
from runtime.evidence.ledger import SignedLedger
from runtime.proof.bundle import Deleted, write_bundle


def export_bundle(ledger: SignedLedger, path: Path) -> int:
    """Write the ledger up to its head as a bundle; the number of entries. Raises ``LedgerCorrupt``."""
    with whole_file(path) as file:
        return write_bundle(file, ledger.notes(), ledger.leaves(), deleted_in(ledger))


def deleted_in(ledger: SignedLedger) -> Deleted:
    """What the entries under the head call deleted."""
    events = [found.event for found in ledger.found(("bodies_deleted",))]
    told = [event for event in events if isinstance(event, BodiesDeleted)]
    return Deleted(sum(len(event.digests) for event in told), sum(event.records for event in told))


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that has its name only once all of it is written and synced; what was there before is replaced.

    Raises ``EvidenceMissing`` when the folder does not take it.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise EvidenceMissing(str(path), f"it cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
