"""The ledger as evidence is taken from it: signed heads, leaves as bytes, and their proofs under one head."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import inspect, select

from runtime.domain import canonical
from runtime.domain.entry import Entry, entry_from_leaf
from runtime.domain.events import Event
from runtime.evidence.errors import NotSigned
from runtime.ledger.database import Database
from runtime.ledger.leaves import StoredLeaf, leaf, leaves
from runtime.ledger.proofs import Proofs, PublishedCheckpoint
from runtime.ledger.schema import CHECKPOINTS
from runtime.proof.passport import ProvenEntry

MOST_CHECKPOINTS = 64
"""Notes in a bundle: a changed history is then known to a 64th of it."""

SomeEvent = TypeVar("SomeEvent", bound=Event)
_Event_co = TypeVar("_Event_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True)
class Found(Generic[_Event_co]):
    """An entry with its event's type and its very bytes."""

    entry: Entry
    event: _Event_co
    leaf: bytes

    @property
    def seq(self) -> int:
        """Its number."""
        return self.entry.seq


class SignedLedger:
    """A ledger up to one of its published checkpoints. Nothing behind that is given out."""

    def __init__(self, database: Database, *, until: int | None = None) -> None:
        """Under the newest checkpoint of at most ``until`` entries. Raises ``NotSigned`` where there is none."""
        self._database = database
        self._proofs = Proofs(database)
        self._sizes = _sizes(database, until)
        if not self._sizes:
            below = "" if until is None else f" of at most {until} entries"
            reason = f"no checkpoint{below} was published; a governor publishes one each second while it is up"
            raise NotSigned("evidence", reason)
        self.head = self._note(self._sizes[-1])
        self.size = self.head.size

    def notes(self) -> list[bytes]:
        """The head, and earlier checkpoints spread evenly over the history, smallest first."""
        return [self._note(size).note.encode() for size in spread(self._sizes, MOST_CHECKPOINTS)]

    def leaves(self) -> Iterator[bytes]:
        """Every leaf under the head. Raises ``LedgerCorrupt``."""
        return (each.content for each in leaves(self._database, 0, self.size))

    def found(self, kinds: Collection[str]) -> Iterator[Found[Event]]:
        """Entries of these kinds under the head, in order."""
        return (_found(each) for each in leaves(self._database, 0, self.size, kinds))

    def proven(self, found: Found[Event]) -> ProvenEntry:
        """The entry with its proof under the head."""
        return self._proven(found.seq, found.leaf)

    def proven_entry(self, seq: int) -> ProvenEntry:
        """Entry ``seq`` with its proof under the head. Raises ``LedgerCorrupt`` when there is none."""
        return self._proven(seq, leaf(self._database, seq).content)

    def _proven(self, seq: int, content: bytes) -> ProvenEntry:
        proof = self._proofs.inclusion(seq, self.size)
        return ProvenEntry(seq=seq, leaf=canonical.decode(content), proof=proof.hashes)

    def _note(self, size: int) -> PublishedCheckpoint:
        found = self._proofs.checkpoint(size)
        if found is None:
            raise NotSigned("evidence", f"the checkpoint of {size} entries is gone")
        return found


def spread(sizes: list[int], most: int) -> list[int]:
    """At most so many of the sizes, evenly, the last one always among them."""
    step = -(-len(sizes) // most)
    return sizes[::-1][:: max(step, 1)][::-1]


def _sizes(database: Database, until: int | None) -> list[int]:
    query = select(CHECKPOINTS.c.size).order_by(CHECKPOINTS.c.size)
    if until is not None:
        query = query.where(CHECKPOINTS.c.size <= until)
    with database.reading() as connection:
        if not inspect(connection).has_table(CHECKPOINTS.name):  # a ledger from before there were checkpoints
            return []
        return list(connection.execute(query).scalars())


def _found(stored: StoredLeaf) -> Found[Event]:
    entry = entry_from_leaf(stored.seq, stored.content)
    return Found(entry, entry.event, stored.content)
