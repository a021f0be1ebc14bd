"""Drafts and entries: an event on its way into the ledger, and an event that stands in it.

The leaf of an entry is the canonical JSON (RFC 8785) of

    {"event": {"kind": ..., ...}, "event_id": ..., "principal": ..., "time": ...}

and its hash is SHA-256(0x00 || leaf) (RFC 9162, 2.1.1). The sequence number is the leaf's index and
so needs no place in it. Nor does anything but the time depend on the moment of writing, and the time comes last: a
draft is encoded and read back once, before its turn comes (``prepare``), and the time completes its leaf.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from runtime.domain import canonical
from runtime.domain.base import rfc3339
from runtime.domain.events import Event, event_from_document, event_from_json
from runtime.domain.ids import new_id
from runtime.domain.tokens import Authenticated

LONGEST_ID_BYTES = 1_024  # an entry of PostgreSQL's index holds 2,704 bytes
NO_ID = f"its id cannot be kept by every database: expected UTF-8 of at most {LONGEST_ID_BYTES} bytes, without NUL"


class _Leaf(TypedDict):
    event: Event
    event_id: str
    principal: str
    time: str


_LEAF = TypeAdapter(_Leaf)


@dataclass(frozen=True, slots=True)
class Draft:
    """An event somebody wants recorded. ``event_id`` is the idempotency key: the same id is recorded once."""

    event: Event
    principal: str
    event_id: str
    proof: Authenticated | None = None
    """Who it was proved to come from. Stands in no entry: the ledger says who, and the writer saw to it."""
    revision: int | None = None
    """Only if this is still the newest entry about the event's model. Stands in no entry either."""

    def __reduce__(self) -> tuple[type[Draft], tuple[Event, str, str, Authenticated | None, int | None]]:
        # A frozen dataclass with slots would be pickled by asking for its fields, in Python, each time.
        return Draft, (self.event, self.principal, self.event_id, self.proof, self.revision)

    def proven(self, proof: Authenticated | None) -> Draft:
        """The same, with who it was proved to come from, whatever it says of that itself."""
        return Draft(self.event, self.principal, self.event_id, proof, self.revision)

    @classmethod
    def fresh(cls, event: Event, principal: str) -> Draft:
        """A draft with a new id, for what happens once."""
        return cls(event, principal, new_id())


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft that was encoded and read back, once: only its time and its place are open. ``prepare`` makes it.

    ``draft`` is as every later reader will see it, so that folding now and replaying later agree.
    """

    draft: Draft
    _before_time: bytes

    def leaf(self, time: str) -> bytes:
        """The leaf under this time, as ``rfc3339`` spells it."""
        return b'%s%s"}' % (self._before_time, time.encode())

    def entry(self, seq: int, time: datetime) -> Entry:
        """The entry that this leaf is read back to."""
        return Entry(seq, self.draft.event_id, time, self.draft.principal, self.draft.event)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event that stands in the ledger at index ``seq`` (0-based)."""

    seq: int
    event_id: str
    time: datetime
    principal: str
    event: Event

    @property
    def kind(self) -> str:
        """The event's type."""
        return self.event.kind

    def leaf(self) -> bytes:
        """The canonical bytes that the Merkle tree hashes."""
        return leaf_bytes(self.event_id, self.time, self.principal, self.event)

    def as_document(self) -> dict[str, Any]:
        """For people and APIs: the leaf's fields and ``seq``."""
        return {"seq": self.seq, **leaf_document(self.event_id, self.time, self.principal, self.event)}


def prepare(draft: Draft) -> Prepared:
    """Raises ``ValueError`` for what cannot be written, as ``leaf_bytes`` does, or cannot be read back."""
    if not may_be_id(draft.event_id):
        raise ValueError(NO_ID)
    event, plain = canonical.encoded(draft.event.model_dump(mode="json", exclude_none=True, by_alias=True))
    event_id, principal = canonical.encode_text(draft.event_id), canonical.encode_text(draft.principal)
    try:
        read = event_from_json(event, type(draft.event)) if plain else event_from_document(canonical.decode(event))
        back = Draft(read, _text(draft.principal), _text(draft.event_id), draft.proof, draft.revision)
    except (ValueError, KeyError, TypeError) as error:  # pydantic's errors are ValueErrors
        raise ValueError(f"could not be read back: {error}") from error
    return Prepared(back, b'{"event":%s,"event_id":%s,"principal":%s,"time":"' % (event, event_id, principal))


def _text(value: str) -> str:
    if type(value) is not str:
        if not isinstance(value, str):
            raise TypeError(f"expected text, got {value!r}")
        return str.__str__(value)  # of an enum its text, which is what is read back
    return value


def leaf_document(event_id: str, time: datetime, principal: str, event: Event) -> dict[str, Any]:
    """The JSON value whose canonical bytes are an entry's leaf."""
    body = event.model_dump(mode="json", exclude_none=True, by_alias=True)
    return {"event_id": event_id, "time": rfc3339(time), "principal": principal, "event": body}


def leaf_bytes(event_id: str, time: datetime, principal: str, event: Event) -> bytes:
    """Canonical bytes of ``leaf_document``. Raises ``ValueError`` when it has none, or no id that may be kept."""
    if not may_be_id(event_id):
        raise ValueError(NO_ID)
    return canonical.encode(leaf_document(event_id, time, principal, event))


def may_be_id(text: str) -> bool:
    """Whether every database keeps this text as an event's id."""
    try:
        return "\x00" not in text and len(text.encode()) <= LONGEST_ID_BYTES
    except UnicodeEncodeError:  # a lone surrogate
        return False


def entry_from_leaf(seq: int, leaf: bytes) -> Entry:
    """The entry whose leaf these bytes are. Raises ``ValueError`` (as pydantic's errors are) on nonsense."""
    # In one pass over the bytes, unless a number in them is one that only canonical JSON reads as it was written.
    if canonical.holds_long_number(leaf):
        document = _LEAF.validate_python(canonical.decode(leaf))
    else:
        document = _LEAF.validate_json(leaf)
    time = datetime.fromisoformat(document["time"])
    return Entry(seq, document["event_id"], time, document["principal"], document["event"])
