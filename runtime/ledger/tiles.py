"""The Merkle tree in tiles (C2SP tlog-tiles): what was hashed once is stored, and a proof reads a handful of rows.

A tile holds up to 256 hashes of one level; a tile's own root is one hash of the tile above it:

    level 2        [0,65536)  [65536,131072) ...         one hash stands for 65,536 leaves
                      |
    level 1        [0,256)  [256,512) ... [65280,65536)  one hash stands for 256 leaves
                      |
    level 0        0  1  2 ... 255                       the leaf hashes themselves

The table holds a level-0 tile once it is full; until then its hashes are those of the entries. A tile above takes the
root of each full tile below at once, so at most one of each level is partly filled: a row is written when 256 leaves
came together, and changed at most 255 times. These are the tiles of the specification for the size that they cover,
a multiple of 256; its partial level-0 tile is the tail of the entries.

Only hashes of complete subtrees are stored, and those never change. All tiles can be dropped: the reader takes the
leaf hashes instead, and ``store_tiles`` makes them again.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, func, insert, select, update

from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.database import Database
from runtime.ledger.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    complete_root,
    consistency_ranges,
    inclusion_ranges,
    node_hash,
    split,
)
from runtime.ledger.schema import ENTRIES, TILES

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILES_AT_ONCE = 32
"""Level-0 tiles made in one transaction: 8,192 leaves, so that the writer of entries never waits for long."""


def tile_path(level: int, position: int, width: int = TILE_WIDTH) -> str:
    """A tile's name in C2SP tlog-tiles: ``tile/<L>/<N>[.p/<W>]``, N in groups of three digits.

    >>> tile_path(0, 1_234_067)
    'tile/0/x001/x234/067'
    >>> tile_path(1, 3, 66)
    'tile/1/003.p/66'
    """
    if not (0 <= level < 64 and position >= 0 and 1 <= width <= TILE_WIDTH):
        raise ValueError(f"no tile has level {level}, position {position} and width {width}")
    *above, last = f"{position:,}".split(",")
    number = "/".join([*(f"x{group:0>3}" for group in above), f"{last:0>3}"])
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{number}{partial}"


def store_tiles(database: Database, size: int) -> int:
    """Store the tiles that the first ``size`` leaves fill; the number of leaves that tiles cover now.

    Goes on where it was left, in short transactions. Raises ``LedgerCorrupt`` when leaf hashes or tiles that it
    builds on are missing or cut.
    """
    wanted = size // TILE_WIDTH
    with database.reading() as connection:
        start = _full_tiles(connection)
    while start < wanted:
        with database.writing() as connection:
            start = _full_tiles(connection)
            end = max(start, min(wanted, start + TILES_AT_ONCE))
            _store(connection, start, end)
        start = end
    return start * TILE_WIDTH


def check_tiles(connection: Connection, position: int) -> None:
    """Compare a level-0 tile with its entries, and its root with the tile above, and so on for each tile it fills.

    Raises ``LedgerCorrupt`` naming the first leaf that differs, or the first under a hash that does.
    """
    level, hashes = 0, _whole_tile(connection, position)
    for seq, (leaf, stored) in enumerate(zip(hashes, _stored(connection, 0, position), strict=False)):
        if leaf != stored:
            raise LedgerCorrupt(position * TILE_WIDTH + seq, f"its leaf hash is not that of {tile_path(0, position)}")
    while hashes:
        first = position << TILE_HEIGHT * (level + 1)
        level, (position, offset) = level + 1, divmod(position, TILE_WIDTH)
        above = _stored(connection, level, position)
        if above[offset : offset + 1] != [complete_root(hashes)]:
            raise LedgerCorrupt(first, f"hash {offset} of {tile_path(level, position)} is not that of the tile below")
        hashes = above if offset == TILE_WIDTH - 1 else []


_STORED = select(TILES.c.hashes).where(TILES.c.level == bindparam("level"), TILES.c.position == bindparam("position"))
_LEAF_HASHES = (
    select(ENTRIES.c.seq, ENTRIES.c.leaf_hash)
    .where(ENTRIES.c.seq >= bindparam("first"), ENTRIES.c.seq < bindparam("end"))
    .order_by(ENTRIES.c.seq)
)


class Tree:
    """The tree as one transaction sees it. What was read or hashed once is kept, so use it for one answer or a few."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tiles: dict[tuple[int, int], list[bytes]] = {}
        self._nodes: dict[tuple[int, int], bytes] = {}

    def size(self) -> int:
        """The number of committed entries."""
        last = self._connection.execute(select(func.max(ENTRIES.c.seq))).scalar()
        return 0 if last is None else int(last) + 1

    def leaf(self, seq: int) -> bytes:
        """The hash of one leaf, as the tree holds it. Raises ``LedgerCorrupt`` where it is missing."""
        return self._node(0, seq)

    def root(self, size: int) -> bytes:
        """The root over the first ``size`` leaves (RFC 9162, 2.1.1)."""
        return self.subtree(0, size)

    def peaks(self, size: int) -> list[bytes]:
        """The roots of the full subtrees of the first ``size`` leaves, largest first: what a ``Frontier`` keeps."""
        heights = [height for height in reversed(range(size.bit_length())) if size >> height & 1]
        return [self._node(height, (size >> height) - 1) for height in heights]

    def subtree(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]) of RFC 9162, 2.1.1, for the ranges that its tree has as nodes.

        Raises ``ValueError`` for any other range, ``LedgerCorrupt`` when the table lacks what it needs.
        """
        if start == end == 0:
            return EMPTY_ROOT
        span = end - start
        if start < 0 or span <= 0 or start % (1 << (span - 1).bit_length()):
            raise ValueError(f"[{start}, {end}) is no node of a tree")
        if span & (span - 1) == 0:
            return self._node(span.bit_length() - 1, start // span)
        middle = start + split(span)
        return node_hash(self.subtree(start, middle), self.subtree(middle, end))

    def tile(self, level: int, position: int, width: int) -> list[bytes]:
        """The first ``width`` hashes of a tile, stored or not. Raises ``LedgerCorrupt`` when the ledger lacks them."""
        first = position * TILE_WIDTH
        return [self._node(level * TILE_HEIGHT, index) for index in range(first, first + width)]

    def inclusion_proof(self, seq: int, size: int) -> list[bytes]:
        """PATH of RFC 9162, 2.1.3.1, nearest the leaf first. Raises ``IndexError`` unless 0 <= seq < size."""
        return [self.subtree(start, end) for start, end in inclusion_ranges(seq, size)]

    def consistency_proof(self, old_size: int, size: int) -> list[bytes]:
        """PROOF of RFC 9162, 2.1.4.1; empty between equal sizes and from the empty tree.

        Raises ``ValueError`` unless 0 <= old_size <= size.
        """
        return [self.subtree(start, end) for start, end in consistency_ranges(old_size, size)]

    def _node(self, height: int, index: int) -> bytes:
        """The root of the complete subtree of 2**height leaves that is ``index``-th of its kind."""
        known = self._nodes.get((height, index))
        if known is None:
            known = self._nodes[height, index] = self._hashed(height, index)
        return known

    def _hashed(self, height: int, index: int) -> bytes:
        level = height // TILE_HEIGHT
        in_tile = height - level * TILE_HEIGHT
        position, offset = divmod(index << in_tile, TILE_WIDTH)
        hashes = self._tile(level, position)[offset : offset + (1 << in_tile)]
        if len(hashes) == 1 << in_tile:
            return complete_root(hashes)
        if height == 0:
            raise LedgerCorrupt(index, "missing: the ledger ends before it")
        return node_hash(self._node(height - 1, 2 * index), self._node(height - 1, 2 * index + 1))

    def _tile(self, level: int, position: int) -> list[bytes]:
        """A tile's hashes; of a tile that is not stored, what the entries give (level 0) or none."""
        known = self._tiles.get((level, position))
        if known is None:
            known = _stored(self._connection, level, position)
            if not known and level == 0:
                known = _leaf_hashes(self._connection, position)
            self._tiles[level, position] = known
        return known


def _full_tiles(connection: Connection) -> int:
    """How many level-0 tiles are stored."""
    last = connection.execute(select(func.max(TILES.c.position)).where(TILES.c.level == 0)).scalar()
    return 0 if last is None else int(last) + 1


def _store(connection: Connection, start: int, end: int) -> None:
    """Make the level-0 tiles [start, end) from the entries, and give their roots to the tiles above."""
    roots = []
    for position in range(start, end):
        hashes = _whole_tile(connection, position)
        connection.execute(insert(TILES), {"level": 0, "position": position, "hashes": b"".join(hashes)})
        roots.append(complete_root(hashes))
    level = 1
    while roots:
        roots, start = _extend(connection, level, start, roots), start // TILE_WIDTH
        level += 1


def _extend(connection: Connection, level: int, start: int, hashes: list[bytes]) -> list[bytes]:
    """Add hashes, the first of which is the level's ``start``-th; the roots of the tiles that they fill."""
    filled = []
    while hashes:
        position, offset = divmod(start, TILE_WIDTH)
        stored = _stored(connection, level, position)
        if len(stored) != offset:
            first = start << TILE_HEIGHT * level
            raise LedgerCorrupt(first, f"{tile_path(level, position)} has {len(stored)} hashes instead of {offset}")
        tile, hashes = stored + hashes[: TILE_WIDTH - offset], hashes[TILE_WIDTH - offset :]
        content = b"".join(tile)
        here = (TILES.c.level == level) & (TILES.c.position == position)
        if stored:
            connection.execute(update(TILES).where(here).values(hashes=content))
        else:
            connection.execute(insert(TILES), {"level": level, "position": position, "hashes": content})
        if len(tile) == TILE_WIDTH:
            filled.append(complete_root(tile))
        start += len(tile) - offset
    return filled


def _stored(connection: Connection, level: int, position: int) -> list[bytes]:
    """The hashes of a stored tile; none where there is no such tile."""
    content = connection.execute(_STORED, {"level": level, "position": position}).scalar_one_or_none()
    if content is None:
        return []
    hashes = [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]
    expected = len(hashes) == TILE_WIDTH or (level > 0 and 0 < len(hashes) < TILE_WIDTH)
    if not expected or len(hashes[-1]) != HASH_BYTES:
        first = position << TILE_HEIGHT * (level + 1)
        raise LedgerCorrupt(first, f"{tile_path(level, position)} holds {len(content)} bytes")
    return hashes


def _whole_tile(connection: Connection, position: int) -> list[bytes]:
    """The leaf hashes of 256 entries. Raises ``LedgerCorrupt`` where there are fewer."""
    hashes = _leaf_hashes(connection, position)
    if len(hashes) < TILE_WIDTH:
        raise LedgerCorrupt(position * TILE_WIDTH + len(hashes), "missing: the ledger ends before it")
    return hashes


def _leaf_hashes(connection: Connection, position: int) -> list[bytes]:
    """The leaf hashes of the entries from 256 x position on, at most 256."""
    first = position * TILE_WIDTH
    rows = connection.execute(_LEAF_HASHES, {"first": first, "end": first + TILE_WIDTH}).all()
    hashes: list[bytes] = []
    for seq, stored in rows:
        if seq != first + len(hashes) or len(stored) != HASH_BYTES:
            raise LedgerCorrupt(first + len(hashes), f"expected its leaf hash; found entry {seq} ({len(stored)} bytes)")
        hashes.append(stored)
    return hashes
