"""Proofs out of the database: documents that whoever holds a checkpoint can check without it.

A proof is made for the size of the newest checkpoint, where that covers what is asked, since a proof is worth what
the signature under its root is worth; else, or when asked, for another size. Hashes are hex. What is given out was
verified first, so a damaged tile is an error here and not a proof that fails elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from sqlalchemy import Connection, select

from runtime.domain.base import Document, Moment
from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.database import Database
from runtime.ledger.errors import NeverHeld
from runtime.ledger.merkle import verify_consistency, verify_inclusion
from runtime.ledger.schema import CHECKPOINTS
from runtime.ledger.tiles import Tree


class PublishedCheckpoint(Document):
    """A checkpoint as it was published: ``note`` is the signed text (C2SP tlog-checkpoint), and alone is proof."""

    size: int = Field(ge=0)
    root: str
    time: Moment
    note: str


class InclusionProof(Document):
    """That a leaf is number ``seq`` of the tree of ``size`` leaves with this root (RFC 9162, 2.1.3)."""

    seq: int
    size: int
    leaf_hash: str
    root: str
    hashes: tuple[str, ...]
    checkpoint: str | None = None
    """The signed note of this size and root, if one was published."""

    def holds(self) -> bool:
        """Whether leaf hash, path and root fit. The note is not looked at, nor who signed it."""
        leaf, root, *hashes = map(bytes.fromhex, (self.leaf_hash, self.root, *self.hashes))
        return verify_inclusion(leaf, self.seq, self.size, hashes, root)


class ConsistencyProof(Document):
    """That the tree of ``size`` leaves extends the tree of ``old_size`` (RFC 9162, 2.1.4)."""

    old_size: int
    size: int
    old_root: str
    root: str
    hashes: tuple[str, ...]
    checkpoint: str | None = None
    """The signed note of the larger size, if one was published."""

    def holds(self) -> bool:
        """Whether both roots and the path between them fit. The note is not looked at, nor who signed it."""
        old_root, root, *hashes = map(bytes.fromhex, (self.old_root, self.root, *self.hashes))
        return verify_consistency(self.old_size, self.size, hashes, old_root, root)


class Proofs:
    """What a ledger's database can prove. Safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def checkpoint(self, size: int | None = None) -> PublishedCheckpoint | None:
        """The checkpoint of this size, or the newest. None where nothing of the kind was published."""
        with self._database.reading() as connection:
            return published(connection, size)

    def inclusion(self, seq: int, size: int | None = None) -> InclusionProof:
        """That entry ``seq`` stands in the tree of ``size``. Raises ``NeverHeld`` and ``LedgerCorrupt``."""
        with self._database.reading(at=max(seq, 0)) as connection:
            tree, note = Tree(connection), published(connection, size)
            size = _size_for(tree, size, note, seq + 1)
            if not 0 <= seq < size:
                raise NeverHeld(f"entry {seq} in a tree of {size}", tree.size())
            proof = InclusionProof(
                seq=seq,
                size=size,
                leaf_hash=tree.leaf(seq).hex(),
                root=tree.root(size).hex(),
                hashes=_hex(tree.inclusion_proof(seq, size)),
                checkpoint=_note_of(note, size),
            )
        _require(seq, holds=proof.holds())
        return proof

    def consistency(self, old_size: int, size: int | None = None) -> ConsistencyProof:
        """That the tree of ``size`` extends the one of ``old_size``. Raises ``NeverHeld`` and ``LedgerCorrupt``."""
        with self._database.reading(at=max(old_size, 0)) as connection:
            tree, note = Tree(connection), published(connection, size)
            size = _size_for(tree, size, note, old_size)
            if not 0 <= old_size <= size:
                raise NeverHeld(f"a tree of {old_size} in one of {size}", tree.size())
            proof = ConsistencyProof(
                old_size=old_size,
                size=size,
                old_root=tree.root(old_size).hex(),
                root=tree.root(size).hex(),
                hashes=_hex(tree.consistency_proof(old_size, size)),
                checkpoint=_note_of(note, size),
            )
        _require(old_size, holds=proof.holds())
        return proof


def published(connection: Connection, size: int | None = None) -> PublishedCheckpoint | None:
    """The stored checkpoint of this size, or the newest; as it stands there, with nothing of it verified."""
    query = select(CHECKPOINTS).order_by(CHECKPOINTS.c.size.desc()).limit(1)
    if size is not None:
        query = query.where(CHECKPOINTS.c.size == size)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    try:
        return PublishedCheckpoint(size=row.size, root=row.root.hex(), time=row.time, note=row.note.decode())
    except ValueError as error:
        raise LedgerCorrupt(row.size, f"the checkpoint of this size is none: {error}") from error


def _size_for(tree: Tree, asked: int | None, note: PublishedCheckpoint | None, least: int) -> int:
    """The size to prove for: that asked for, or the newest checkpoint's if that has ``least``, or the whole tree's."""
    whole = tree.size()
    if asked is None:
        return note.size if note is not None and least <= note.size <= whole else whole
    if asked > whole:
        raise NeverHeld(f"a tree of {asked}", whole)
    return asked


def _note_of(note: PublishedCheckpoint | None, size: int) -> str | None:
    return note.note if note is not None and note.size == size else None


def _hex(hashes: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(each.hex() for each in hashes)


def _require(at: int, *, holds: bool) -> None:
    if not holds:
        raise LedgerCorrupt(at, "its proof does not hold: a tile near it was changed")
