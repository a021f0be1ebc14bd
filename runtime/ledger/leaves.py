"""Leaves as they stand in the table: the very bytes that the tree hashes, for whoever hands them on.

An ``Entry`` is a leaf as this release reads it, and would be written anew with the fields that this release knows.
What leaves the ledger to be verified elsewhere must be the bytes themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from sqlalchemy import select

from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.database import Database
from runtime.ledger.merkle import leaf_hash
from runtime.ledger.schema import ENTRIES

ROWS = 1_000
"""Leaves read in one short transaction, so that a slow consumer never holds the write-ahead log open."""


class StoredLeaf(NamedTuple):
    """An entry's number and its bytes, checked against its leaf hash."""

    seq: int
    content: bytes


def leaves(database: Database, since: int, until: int, kinds: Collection[str] | None = None) -> Iterator[StoredLeaf]:
    """Leaves with ``since <= seq < until`` in order, of these kinds only.

    Raises ``LedgerCorrupt`` at a leaf that is not what its hash says and, if all kinds are asked for, at a gap.
    """
    query = select(ENTRIES.c.seq, ENTRIES.c.leaf_hash, ENTRIES.c.leaf).order_by(ENTRIES.c.seq).limit(ROWS)
    if kinds is not None:
        query = query.where(ENTRIES.c.kind.in_(sorted(kinds)))
    following = since
    while following < until:
        with database.reading(at=following) as connection:
            rows = connection.execute(query.where(ENTRIES.c.seq >= following, ENTRIES.c.seq < until)).all()
        for seq, stored, leaf in rows:
            if kinds is None and seq != following:
                raise LedgerCorrupt(following, f"missing: the next row is numbered {seq}")
            if leaf_hash(leaf) != stored:
                raise LedgerCorrupt(seq, "its bytes do not hash to its leaf hash")
            yield StoredLeaf(seq, leaf)
            following = seq + 1
        if len(rows) < ROWS:
            break
    if kinds is None and following < until:
        raise LedgerCorrupt(following, "missing: the ledger ends before it")


def leaf(database: Database, seq: int) -> StoredLeaf:
    """One leaf. Raises ``LedgerCorrupt`` when there is none."""
    (found,) = leaves(database, seq, seq + 1)
    return found
