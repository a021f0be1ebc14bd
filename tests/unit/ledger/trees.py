"""Trees to compare with: all levels kept in memory, and ledgers of as many entries as a test wants."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import insert

from runtime.ledger.database import Database
from runtime.ledger.merkle import leaf_hash, node_hash
from runtime.ledger.schema import ENTRIES

LEAF = b"leaf %d"


def leaves(count: int) -> list[bytes]:
    """The hashes of the first ``count`` leaves."""
    return [leaf_hash(LEAF % number) for number in range(count)]


def fill(database: Database, start: int, end: int) -> None:
    """Entries [start, end), good enough for whoever reads leaf hashes only."""
    with database.writing() as connection:
        connection.execute(insert(ENTRIES), list(_rows(start, end)))


def _rows(start: int, end: int) -> Iterator[dict[str, object]]:
    for seq in range(start, end):
        leaf = LEAF % seq
        columns = {"seq": seq, "event_id": str(seq), "time": "t", "kind": "k"}
        yield {**columns, "leaf_hash": leaf_hash(leaf), "leaf": leaf}


def levels_of(leaves: list[bytes]) -> list[list[bytes]]:
    """All levels, leaves first; a node without a partner moves up as it is."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [below[at : at + 2] for at in range(0, len(below), 2)]
        levels.append([node_hash(*pair) if len(pair) == 2 else pair[0] for pair in pairs])
    return levels


def oracle_path(levels: list[list[bytes]], level: int, index: int) -> list[bytes]:
    """The siblings on the way from one node to the root."""
    siblings = []
    for nodes in levels[level:]:
        if index ^ 1 < len(nodes):
            siblings.append(nodes[index ^ 1])
        index >>= 1
    return siblings


def oracle_consistency(levels: list[list[bytes]], old_size: int) -> list[bytes]:
    """The largest full subtree that ends the old tree, then its path; the subtree only if it is not the old root."""
    level, index = 0, old_size - 1
    while index & 1:
        level, index = level + 1, index >> 1
    start = [levels[level][index]] if index else []
    return start + oracle_path(levels, level, index)
