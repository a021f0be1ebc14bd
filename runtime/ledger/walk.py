"""What leaves must be, one after the other: the rules that an auditor checks, wherever the leaves come from.

    leaf          is canonical JSON (encoding it again gives the same bytes) of
                  {"event", "event_id", "principal", "time"} and nothing else
    event_id      no earlier entry has it
    time          in the ledger's one spelling, and not before that of the entry above
    event         is one this version knows

Hashes and roots are the caller's. Nothing here knows a database: the offline verifier uses it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runtime.domain import canonical
from runtime.domain.base import rfc3339
from runtime.domain.errors import LedgerCorrupt
from runtime.domain.events import Event, event_from_document

_FIELDS = {"event", "event_id", "principal", "time"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a leaf says, its form checked."""

    document: dict[str, Any]
    time: datetime
    event: Event

    @property
    def event_id(self) -> str:
        """The entry's idempotency key."""
        return str(self.document["event_id"])

    @property
    def principal(self) -> str:
        """Who recorded the event."""
        return str(self.document["principal"])


def read_leaf(seq: int, content: bytes) -> Leaf:
    """The leaf that these bytes are. Raises ``LedgerCorrupt`` naming entry ``seq`` and what is wrong."""
    document = _canonical_value(seq, content)
    if not isinstance(document, dict) or document.keys() != _FIELDS:
        raise LedgerCorrupt(seq, f"its leaf is not an object of {', '.join(sorted(_FIELDS))}")
    if not all(isinstance(document[name], str) for name in _FIELDS - {"event"}):
        raise LedgerCorrupt(seq, "its event_id, principal and time are not all text")
    return Leaf(document, _time(seq, document["time"]), _event(seq, document["event"]))


def _canonical_value(seq: int, content: bytes) -> Any:
    """The value of bytes that are its canonical JSON."""
    try:
        value = canonical.decode(content)
        again = canonical.encode(value)
    except (ValueError, RecursionError) as error:
        raise LedgerCorrupt(seq, f"its leaf is not canonical JSON: {error}") from error
    if again != content:
        raise LedgerCorrupt(seq, "its leaf is not canonical JSON: encoding it again gives other bytes")
    return value


class Walk:
    """Takes leaves in order, from entry 0; what it knows of those before is all it compares with.

    Keeps about 100 bytes an entry in memory, for unique ids.
    """

    def __init__(self) -> None:
        self._seq_of: dict[str, int] = {}
        self.size = 0
        self.first_time: datetime | None = None
        self.last_time: datetime | None = None

    def take(self, content: bytes) -> Leaf:
        """The next leaf. Raises ``LedgerCorrupt`` naming it and the first rule it breaks."""
        seq = self.size
        leaf = read_leaf(seq, content)
        first = self._seq_of.setdefault(leaf.event_id, seq)
        if first != seq:
            raise LedgerCorrupt(seq, f"its event id {leaf.event_id!r} is that of entry {first}")
        if self.last_time is not None and leaf.time < self.last_time:
            raise LedgerCorrupt(seq, f"its time {rfc3339(leaf.time)} lies before that of the entry above")
        self.first_time, self.last_time = self.first_time or leaf.time, leaf.time
        self.size = seq + 1
        return leaf


def _time(seq: int, spelled: str) -> datetime:
    try:
        time = datetime.fromisoformat(spelled).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise LedgerCorrupt(seq, f"its time is {spelled!r}") from error
    if rfc3339(time) != spelled:
        raise LedgerCorrupt(seq, f"its time is spelled {spelled!r}, not {rfc3339(time)!r}")
    return time


def _event(seq: int, document: Any) -> Event:
    try:
        return event_from_document(document)
    except ValueError as error:
        raise LedgerCorrupt(seq, f"its event is none that is known: {error}") from error
