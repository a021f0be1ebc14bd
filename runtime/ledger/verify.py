"""The auditor's check: reads every entry and names the first bad one.

It trusts no column and shares nothing with the log but the hash rules. For each row, in order of ``seq``:

    seq           follows the one before, from 0
    leaf_hash     is SHA-256(0x00 || leaf)
    leaf          keeps the rules of ``walk``: canonical, known, ids unique, times in order
    event_id, time, kind   are the leaf's

What the table says about itself can all be forged by who can write it: an edit with its hash, a cut tail,
a renumbered gap. A size and root that somebody else kept (``expected_size``, ``expected_root``) show
those too, since the first ``expected_size`` leaves must still have that root.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.database import Database
from runtime.ledger.merkle import Frontier, leaf_hash
from runtime.ledger.walk import Walk

ROWS_AT_ONCE = 1_000
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
    """Walks the rows in order; what it knows of those before is all it compares with."""

    def __init__(self, expected_size: int | None, expected_root: str | None) -> None:
        self._expected_size, self._expected_root = expected_size, expected_root
        self._frontier = Frontier()
        self._walk = Walk()

    def check(self, seq: object, event_id: object, time: object, kind: object, stored: object, leaf: object) -> None:
        expected = self._frontier.size
        if seq != expected:
            raise LedgerCorrupt(expected, f"missing: the next row is numbered {seq}")
        if not isinstance(leaf, bytes):
            raise LedgerCorrupt(expected, "its leaf is not bytes")
        hashed = leaf_hash(leaf)
        if stored != hashed:
            raise LedgerCorrupt(expected, f"its leaf hashes to {hashed.hex()}, which is not its leaf hash")
        said = self._walk.take(leaf)
        for name, column in (("event_id", event_id), ("time", time)):
            if said.document[name] != column:
                raise LedgerCorrupt(expected, f"its {name} column says {column!r}, its leaf {said.document[name]!r}")
        if said.event.kind != kind:
            raise LedgerCorrupt(expected, f"its kind column says {kind!r}, its event {said.event.kind!r}")
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
        return Verification(size, self._frontier.root().hex(), self._walk.first_time, self._walk.last_time)
