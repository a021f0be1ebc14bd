"""The offline check of a bundle: every leaf, every checkpoint, and the older history that somebody kept.

In one pass: the head's notes are opened first, then each entry is hashed, compared with its own HASH, put through the
rules of ``ledger.walk`` and added to the tree, whose root is compared at the size of each checkpoint. Whoever derives
something from the entries takes them here (``take``), so that nothing is read that was not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from runtime.domain.errors import LedgerCorrupt
from runtime.domain.keeping import BodiesDeleted
from runtime.ledger.checkpoint import Checkpoint
from runtime.ledger.merkle import Frontier
from runtime.ledger.walk import Leaf, Walk
from runtime.proof.bundle import Block, Deleted, Lines, read_head
from runtime.proof.checkpoints import Keys, Witnessed, in_order, unchecked
from runtime.proof.errors import CheckpointRefused, FileUnreadable


@dataclass(frozen=True, slots=True)
class BundleVerification:
    """A bundle whose every entry is good; ``extends`` is the size of the older history it was compared with.

    ``bodies_deleted`` and ``records_deleted`` are what its entries say was deleted: the entries are all there, and no
    passport can be made any more of the decisions in those bodies. ``unchecked`` names those who signed the last
    checkpoint with keys that the verifier was not given.
    """

    origin: str
    size: int
    root: str
    checkpoints: int
    first_time: datetime | None
    last_time: datetime | None
    witnesses: tuple[Witnessed, ...] = ()
    extends: int | None = None
    bodies_deleted: int = 0
    records_deleted: int = 0
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Expected:
    """The root the first ``size`` leaves must have, and who says so."""

    size: int
    root: bytes
    source: str


Take = Callable[[int, Leaf], None]
"""What is given each entry's number and leaf as soon as they are checked, before any root is."""


def verify_bundle(
    source: BinaryIO | Lines, keys: Keys, *, since: bytes | None = None, take: Take | None = None
) -> BundleVerification:
    """Check a whole bundle, and that it extends the older checkpoint ``since`` (a signed note of the same log).

    ``take`` is given every entry; what it makes of them counts only if nothing is raised here.

    Raises ``LedgerCorrupt`` naming the first bad entry (where only a root is wrong, the last entry under it),
    ``CheckpointRefused`` for a note, ``FileUnreadable`` for what is no whole bundle.
    """
    lines = source if isinstance(source, Lines) else Lines(source)
    head = read_head(lines.first)
    opened = [keys.open(_nth(at), note) for at, note in enumerate(head.notes)]
    checkpoints = [checkpoint for checkpoint, _ in opened]
    last, note = opened[-1]
    if (at := in_order(checkpoints)) is not None:
        raise CheckpointRefused(_nth(at), f"of {checkpoints[at].size} entries, no more than the one before it")
    witnesses = keys.require_witnesses(_nth(len(opened) - 1), note)
    older = None if since is None else _older(keys, since, last)
    walk, frontier, deleted = Walk(), Frontier(), Deleted()
    for block in _between(lines.blocks(last.size), _expected(checkpoints, older), frontier):
        for leaf in block.leaves:
            found = walk.take(leaf)
            if isinstance(found.event, BodiesDeleted):
                deleted = Deleted(deleted.bodies + len(found.event.digests), deleted.records + found.event.records)
            if take is not None:
                take(walk.size - 1, found)
        if block.bad:
            raise LedgerCorrupt(walk.size, "its leaf does not hash to the leaf hash beside it")
    if head.deleted not in (None, deleted):
        raise FileUnreadable("bundle", f"deleted in its head is {head.deleted}; its entries say {deleted}")
    return BundleVerification(
        origin=last.origin,
        size=last.size,
        root=last.root.hex(),
        checkpoints=len(opened),
        first_time=walk.first_time,
        last_time=walk.last_time,
        witnesses=witnesses,
        extends=None if older is None else older.size,
        bodies_deleted=deleted.bodies,
        records_deleted=deleted.records,
        unchecked=unchecked(note),
    )


def root_of_bundle(source: BinaryIO | Lines, keys: Keys) -> Checkpoint:
    """Only the signature of the last checkpoint and its root over the leaves: what hashing alone can show."""
    lines = source if isinstance(source, Lines) else Lines(source)
    notes = read_head(lines.first).notes
    last, _ = keys.open(_nth(len(notes) - 1), notes[-1])
    frontier = Frontier()
    for block in _between(lines.blocks(last.size), _expected([last], None), frontier):
        if block.bad:
            raise LedgerCorrupt(frontier.size + len(block.leaves), "its leaf does not hash to the leaf hash beside it")
    return last


def _nth(at: int) -> str:
    return f"checkpoints[{at}]"


def _older(keys: Keys, since: bytes, last: Checkpoint) -> Checkpoint:
    """The checkpoint somebody kept. Witnesses may have cosigned it or not: it is the log's word that binds."""
    older, _ = keys.open("the older checkpoint", since)
    if older.size > last.size:
        raise CheckpointRefused("the older checkpoint", f"of {older.size} entries; the bundle holds {last.size}")
    return older


def _expected(checkpoints: Sequence[Checkpoint], older: Checkpoint | None) -> list[_Expected]:
    """In order of size; at one size the older history is judged first."""
    named = [_Expected(each.size, each.root, _nth(at)) for at, each in enumerate(checkpoints)]
    if older is not None:
        named.insert(0, _Expected(older.size, older.root, "the older checkpoint"))
    return sorted(named, key=lambda expected: expected.size)


def _between(blocks: Iterator[Block], expected: list[_Expected], frontier: Frontier) -> Iterator[Block]:
    """The blocks, cut where a root is known; each is given before the root behind it is compared."""
    ahead = list(expected)
    good = 0
    for whole in blocks:
        block = whole
        while ahead and ahead[0].size - frontier.size <= len(block.leaves):
            cut = ahead[0].size - frontier.size
            head = Block(block.leaves[:cut], block.hashes[:cut])
            block = Block(block.leaves[cut:], block.hashes[cut:], block.bad)
            yield head
            frontier.extend(head.hashes)
            good = _compared(ahead.pop(0), frontier, good)
        yield block
        frontier.extend(block.hashes)
    for each in ahead:
        good = _compared(each, frontier, good)


def _compared(expected: _Expected, frontier: Frontier, good: int) -> int:
    root = frontier.root()
    if root != expected.root:
        raise LedgerCorrupt(
            max(expected.size - 1, 0),
            f"the first {expected.size} entries have root {root.hex()}, where {expected.source} says "
            f"{expected.root.hex()}: one behind the first {good} was changed, dropped or moved",
        )
    return expected.size
