"""The root that a ledger had at an earlier size: of its tiles where it has any, else of the leaf hashes alone."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select

from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.database import Database
from runtime.ledger.merkle import HASH_BYTES, Frontier
from runtime.ledger.schema import ENTRIES, TILES
from runtime.ledger.tiles import Tree

ROWS = 20_000


def root_at(database: Database, size: int) -> bytes:
    """The Merkle root over the first ``size`` entries (RFC 9162, 2.1.1).

    Raises ``LedgerCorrupt`` when the ledger holds fewer or their hashes are not whole, ``ValueError`` on a
    negative size.
    """
    if size < 0:
        raise ValueError(f"no ledger has {size} entries")
    with database.reading(at=size) as connection:
        if inspect(connection).has_table(TILES.name):
            return Tree(connection).root(size)
        return _root_of_entries(connection, size)


def _root_of_entries(connection: Connection, size: int) -> bytes:
    """For a ledger from before there were tiles, which a reader may not add."""
    frontier = Frontier()
    query = select(ENTRIES.c.seq, ENTRIES.c.leaf_hash).where(ENTRIES.c.seq < size).order_by(ENTRIES.c.seq)
    for seq, stored in connection.execution_options(yield_per=ROWS).execute(query):
        if seq != frontier.size or len(stored) != HASH_BYTES:
            raise LedgerCorrupt(frontier.size, f"expected its leaf hash; found entry {seq} ({len(stored)} bytes)")
        frontier.append(stored)
    if frontier.size != size:
        raise LedgerCorrupt(frontier.size, "missing: the ledger ends before it")
    return frontier.root()
