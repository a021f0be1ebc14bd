"""A full check of a ledger's tables, which shares nothing with the writer and the publisher but the hash rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

from sqlalchemy import Connection, select

from runtime.ledger.checkpoint import open_checkpoint
from runtime.ledger.log import Log
from runtime.ledger.merkle import EMPTY_ROOT, leaf_hash, node_hash
from runtime.ledger.note import Verifier
from runtime.ledger.schema import CHECKPOINTS, ENTRIES, TILES
from runtime.ledger.tiles import TILE_HEIGHT, TILE_WIDTH
from runtime.ledger.verify import verify_log
from tests.unit.ledger.trees import levels_of

Heads = dict[int, str]
"""Roots by size."""


def fsck(url: str, keys: Sequence[Verifier] = ()) -> Heads:
    """Fail where entries, tiles and checkpoints are not those of one tree; the checkpoints, of which all extend all.

    Every checkpoint must be signed by one of the keys, so that without keys there must be none.
    """
    verified = verify_log(url)
    with Log.open_read_only(url) as log, log.database.reading() as connection:
        leaves = [leaf_hash(leaf) for (leaf,) in connection.execute(select(ENTRIES.c.leaf).order_by(ENTRIES.c.seq))]
        _check_tiles(connection, leaves)
        heads = _checked_heads(connection, leaves, keys)
    assert roots_of(leaves, [verified.size])[verified.size] == verified.root
    return heads


def roots_of(leaves: Sequence[bytes], sizes: Iterable[int]) -> Heads:
    """The roots in hex of the trees of the first so many leaves: two complete subtrees are joined at once."""
    wanted = sorted(set(sizes))
    heads = {0: EMPTY_ROOT.hex()} if 0 in wanted else {}
    subtrees: list[tuple[int, bytes]] = []  # height and root, largest first
    for size, leaf in enumerate(leaves, start=1):
        height, joined = 0, leaf
        while subtrees and subtrees[-1][0] == height:
            height, joined = height + 1, node_hash(subtrees.pop()[1], joined)
        subtrees.append((height, joined))
        if size in wanted:
            heads[size] = reduce(
                lambda right, left: node_hash(left, right), [root for _, root in reversed(subtrees)]
            ).hex()
    assert sorted(heads) == wanted, f"there are {len(leaves)} leaves, and heads of {wanted[-1]}"
    return heads


def _check_tiles(connection: Connection, leaves: list[bytes]) -> None:
    """A tile holds the hashes of complete subtrees at its place in its level; level 0 has only full ones."""
    levels = levels_of(leaves)
    for level, position, hashes in connection.execute(select(TILES.c.level, TILES.c.position, TILES.c.hashes)):
        height = TILE_HEIGHT * level
        complete = levels[height][: len(leaves) >> height]
        expected = b"".join(complete[position * TILE_WIDTH : (position + 1) * TILE_WIDTH])
        assert hashes, f"tile {level}/{position} is empty"
        assert expected.startswith(hashes), f"tile {level}/{position} is not of these entries"
        assert level > 0 or len(hashes) == len(expected) == TILE_WIDTH * 32, f"tile 0/{position} is not full"


def _checked_heads(connection: Connection, leaves: list[bytes], keys: Sequence[Verifier]) -> Heads:
    heads: Heads = {}
    for row in connection.execute(select(CHECKPOINTS).order_by(CHECKPOINTS.c.size)):
        signed, _ = open_checkpoint(row.note, keys)
        assert (signed.size, signed.root) == (row.size, row.root), f"checkpoint {row.size} says other than its note"
        heads[signed.size] = signed.root.hex()
    assert heads == roots_of(leaves, heads)
    return heads
