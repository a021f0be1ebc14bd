"""Cosignatures that come in after a checkpoint was published: they join its note where it is stored."""

from __future__ import annotations

from sqlalchemy import select, update

from runtime.ledger.checkpoint import Checkpoint
from runtime.ledger.database import Database
from runtime.ledger.errors import PublicationRefused
from runtime.ledger.note import add_signatures, read_note
from runtime.ledger.schema import CHECKPOINTS


def keep_cosigned(database: Database, note: bytes) -> None:
    """Add the lines of this note to the stored one of the same checkpoint. Safe to repeat, and from many threads.

    Nothing is verified here: whoever reads a note verifies its lines. Raises ``NoteMalformed``,
    ``PublicationRefused`` when no such checkpoint is stored, ``LedgerUnavailable`` and its kinds.
    """
    text, lines = read_note(note)
    size = Checkpoint.parse(text).size
    mine = CHECKPOINTS.c.size == size
    with database.writing() as connection:
        stored = connection.execute(select(CHECKPOINTS.c.note).where(mine).with_for_update()).scalar_one_or_none()
        if stored is None or read_note(stored)[0] != text:
            raise PublicationRefused(size, "cosignatures came for one that is not, or no longer, stored here")
        connection.execute(update(CHECKPOINTS).where(mine).values(note=add_signatures(stored, lines)))
