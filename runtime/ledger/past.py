"""What a ledger's tree was at an earlier size: of its tiles where it has any, else of the leaf hashes alone."""

from __future__ import annotations

from sqlalchemy import Connection, func, inspect, select

from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.database import Database
from runtime.ledger.merkle import HASH_BYTES, Frontier
from runtime.ledger.schema import CHECKPOINTS, ENTRIES, TILES
from runtime.ledger.tiles import TILE_WIDTH, Tree

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


def published_frontier(connection: Connection) -> Frontier:
    """The tree of the last published checkpoint, up to its last full tile: a few reads instead of one an entry.

    Empty where nothing was published, tiles do not give the checkpoint's root, or entries are missing: reading the
    leaf hashes one by one then says what and where. An entry that was edited since is not noticed here, for its tile
    still holds what was signed; the publisher compares tiles and entries, some with each checkpoint (``check_tiles``).
    """
    newest = select(CHECKPOINTS.c.size, CHECKPOINTS.c.root).order_by(CHECKPOINTS.c.size.desc()).limit(1)
    checkpoint = connection.execute(newest).one_or_none()
    entries, end = connection.execute(select(func.count(), func.max(ENTRIES.c.seq)).select_from(ENTRIES)).one()
    if checkpoint is None or checkpoint.size > entries or entries != end + 1:
        return Frontier()
    size, tree = checkpoint.size - checkpoint.size % TILE_WIDTH, Tree(connection)
    try:
        # The peaks up to the last full tile are nodes under this root, so whoever checked it has checked them.
        return Frontier.of(size, tree.peaks(size)) if tree.root(checkpoint.size) == checkpoint.root else Frontier()
    except LedgerCorrupt:
        return Frontier()


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
