"""The offline check of a bundle: every leaf, every checkpoint, and the older history that somebody kept.

In one pass: the head's notes are opened first, then each entry is hashed, compared with its own HASH, put through the
rules of ``ledger.walk`` and added to the tree, whose root is compared at the size of each checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.checkpoint import Checkpoint
from runtime.ledger.merkle import Frontier
from runtime.ledger.walk import Walk
from runtime.proof.bundle import Block, Lines, read_head
from runtime.proof.checkpoints import Keys, Witnessed, in_order, unchecked
from runtime.proof.errors import CheckpointRefused


@dataclass(frozen=True, slots=True)
class BundleVerification:
    """A bundle whose every entry is good; ``extends`` is the size of the older history it was compared with.

    ``unchecked`` names those who signed the last checkpoint with keys that the verifier was not given.
    """

    origin: str
    size: int
    root: str
    checkpoints: int
    first_time: datetime | None
    last_time: datetime | None
    witnesses: tuple[Witnessed, ...] = ()
    extends: int | None = None
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Expected:
    """The root the first ``size`` leaves must have, and who says so."""

    size: int
    root: bytes
    source: str


def verify_bundle(source: BinaryIO | Lines, keys: Keys, *, since: bytes | None = None) -> BundleVerification:
    """Check a whole bundle, and that it extends the older checkpoint ``since`` (a signed note of the same log).

    Raises ``LedgerCorrupt`` naming the first bad entry (where only a root is wrong, the last entry under it),
    ``CheckpointRefused`` for a note, ``FileUnreadable`` for what is no whole bundle.
    """
    lines = source if isinstance(source, Lines) else Lines(source)
    opened = [keys.open(_nth(at), note) for at, note in enumerate(read_head(lines.first))]
    checkpoints = [checkpoint for checkpoint, _ in opened]
    last, note = opened[-1]
    if (at := in_order(checkpoints)) is not None:
        raise CheckpointRefused(_nth(at), f"of {checkpoints[at].size} entries, no more than the one before it")
    witnesses = keys.require_witnesses(_nth(len(opened) - 1), note)
    older = None if since is None else _older(keys, since, last)
    walk, frontier = Walk(), Frontier()
    for block in _between(lines.blocks(last.size), _expected(checkpoints, older), frontier):
        for leaf in block.leaves:
            walk.take(leaf)
        if block.bad:
            raise LedgerCorrupt(walk.size, "its leaf does not hash to the leaf hash beside it")
    return BundleVerification(
        origin=last.origin,
        size=last.size,
        root=last.root.hex(),
        checkpoints=len(opened),
        first_time=walk.first_time,
        last_time=walk.last_time,
        witnesses=witnesses,
        extends=None if older is None else older.size,
        unchecked=unchecked(note),
    )


def root_of_bundle(source: BinaryIO | Lines, keys: Keys) -> Checkpoint:
    """Only the signature of the last checkpoint and its root over the leaves: what hashing alone can show."""
    lines = source if isinstance(source, Lines) else Lines(source)
    notes = read_head(lines.first)
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
