"""The auditor's check: reads every entry and names the first bad one.

It trusts no column and shares nothing with the log but the hash rules. For each row, in order of ``seq``:

    seq           follows the one before, from 0
    leaf_hash     is SHA-256(0x00 || leaf)
    leaf          is canonical JSON (encoding it again gives the same bytes) of
                  {"event", "event_id", "principal", "time"} and nothing else
    event_id      is the leaf's, and no earlier entry has it
    time          is the leaf's, in the ledger's one spelling, and not before the entry above
    event, kind   the event is one this version knows, of the kind the column says

What the table says about itself can all be forged by who can write it: an edit with its hash, a cut tail,
a renumbered gap. A size and root that somebody else kept (``expected_size``, ``expected_root``) show
those too, since the first ``expected_size`` leaves must still have that root.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from runtime.domain import canonical
from runtime.domain.base import rfc3339
from runtime.domain.errors import LedgerCorrupt
from runtime.domain.events import event_from_document
from runtime.ledger.database import Database
from runtime.ledger.merkle import Frontier, leaf_hash

ROWS_AT_ONCE = 1_000
_LEAF_FIELDS = {"event", "event_id", "principal", "time"}
_LARGEST_EXACT = 2**53 - 1
_SELECT = text(
    "SELECT seq, event_id, time, kind, leaf_hash, leaf FROM entries WHERE seq >= :since ORDER BY seq LIMIT :rows"
)


@dataclass(frozen=True, slots=True)
class Verification:
    """A ledger whose every entry is good: what to keep for the next time is ``size`` and ``root`` (hex)."""

    size: int
    root: str
    first_time: datetime | None
    last_time: datetime | None


def verify_log(
    url: str,
    *,
    expected_size: int | None = None,
    expected_root: str | None = None,
    lock_timeout: timedelta = timedelta(seconds=5),
) -> Verification:
    """Check the whole ledger, and that its first ``expected_size`` entries still have ``expected_root``.

    Raises ``LedgerCorrupt`` naming the first bad entry (for a wrong root the last entry under it, since a
    root cannot tell which of its leaves was changed), ``LedgerUnavailable``, and ``ValueError`` when only
    one of the two expectations is given. Keeps about 100 bytes an entry in memory, for unique ids.
    """
    if (expected_size is None) != (expected_root is None):
        raise ValueError("expected_size and expected_root belong together")
    checker = _Checker(expected_size, expected_root)
    database = Database.open_for_reading(url, lock_timeout)
    try:
        checker.check_root()
        for row in _rows(database):
            checker.check(*row)
    finally:
        database.close()
    return checker.result()


def _rows(database: Database) -> Iterator[tuple[Any, ...]]:
    """All rows in short transactions, whatever numbers they bear."""
    since, position = -(2**63), 0
    while True:
        with database.reading(at=position) as connection:
            rows = connection.execute(_SELECT, {"since": since, "rows": ROWS_AT_ONCE}).all()
        yield from (tuple(row) for row in rows)
        if len(rows) < ROWS_AT_ONCE:
            return
        since, position = rows[-1].seq + 1, position + len(rows)


class _Checker:
    """Walks the entries in order; what it knows of those before is all it compares with."""

    def __init__(self, expected_size: int | None, expected_root: str | None) -> None:
        self._expected_size, self._expected_root = expected_size, expected_root
        self._frontier = Frontier()
        self._seq_of: dict[str, int] = {}
        self._first_time: datetime | None = None
        self._last_time: datetime | None = None

    def check(self, seq: object, event_id: object, time: object, kind: object, stored: object, leaf: object) -> None:
        expected = self._frontier.size
        if seq != expected:
            raise LedgerCorrupt(expected, f"missing: the next row is numbered {seq}")
        if not isinstance(leaf, bytes):
            raise LedgerCorrupt(expected, "its leaf is not bytes")
        hashed = leaf_hash(leaf)
        if stored != hashed:
            raise LedgerCorrupt(expected, f"its leaf hashes to {hashed.hex()}, which is not its leaf hash")
        document = _document_of(expected, leaf)
        for name, column in (("event_id", event_id), ("time", time)):
            if document[name] != column:
                raise LedgerCorrupt(expected, f"its {name} column says {column!r}, its leaf {document[name]!r}")
        self._check_id(expected, document["event_id"])
        self._check_time(expected, document["time"])
        _check_event(expected, document["event"], kind)
        self._frontier.append(hashed)
        self.check_root()

    def check_root(self) -> None:
        """At the expected size, the root must be the expected one."""
        size, root = self._frontier.size, self._frontier.root().hex
        if size == self._expected_size and root() != self._expected_root:
            raise LedgerCorrupt(
                max(size - 1, 0), f"the first {size} entries have root {root()}, not {self._expected_root}"
            )

    def result(self) -> Verification:
        size = self._frontier.size
        if self._expected_size is not None and size < self._expected_size:
            raise LedgerCorrupt(size, f"missing: the ledger ends here and once had {self._expected_size} entries")
        return Verification(size, self._frontier.root().hex(), self._first_time, self._last_time)

    def _check_id(self, seq: int, event_id: str) -> None:
        first = self._seq_of.setdefault(event_id, seq)
        if first != seq:
            raise LedgerCorrupt(seq, f"its event id {event_id!r} is that of entry {first}")

    def _check_time(self, seq: int, spelled: str) -> None:
        try:
            time = datetime.fromisoformat(spelled).astimezone(UTC)
        except ValueError as error:
            raise LedgerCorrupt(seq, f"its time is {spelled!r}") from error
        if rfc3339(time) != spelled:
            raise LedgerCorrupt(seq, f"its time is spelled {spelled!r}, not {rfc3339(time)!r}")
        if self._last_time is not None and time < self._last_time:
            raise LedgerCorrupt(seq, f"its time {spelled} lies before that of the entry above")
        self._first_time = self._first_time or time
        self._last_time = time


def _document_of(seq: int, leaf: bytes) -> dict[str, Any]:
    """The leaf's JSON object, known to be canonical and to have the leaf's fields with their types."""
    try:
        document = json.loads(leaf, parse_int=_number)
        again = canonical.encode(document)
    except (ValueError, RecursionError) as error:
        raise LedgerCorrupt(seq, f"its leaf is not canonical JSON: {error}") from error
    if again != leaf:
        raise LedgerCorrupt(seq, "its leaf is not canonical JSON: encoding it again gives other bytes")
    if not isinstance(document, dict) or document.keys() != _LEAF_FIELDS:
        raise LedgerCorrupt(seq, f"its leaf is not an object of {', '.join(sorted(_LEAF_FIELDS))}")
    if not all(isinstance(document[name], str) for name in _LEAF_FIELDS - {"event"}):
        raise LedgerCorrupt(seq, "its event_id, principal and time are not all text")
    return document


def _check_event(seq: int, document: Any, kind: object) -> None:
    try:
        event = event_from_document(document)
    except ValueError as error:
        raise LedgerCorrupt(seq, f"its event is none that is known: {error}") from error
    if event.kind != kind:
        raise LedgerCorrupt(seq, f"its kind column says {kind!r}, its event {event.kind!r}")


def _number(digits: str) -> int | float:
    """RFC 8785 writes a double such as 1e16 in plain digits: beyond 2**53 digits are a double."""
    value = int(digits)
    return value if abs(value) <= _LARGEST_EXACT else float(digits)
