"""The log: events in, entries out, in one order, each acknowledged only after COMMIT.

    append(drafts):  encode and read back                      else EntryUnwritable
                     take the turn: time, leaves, hashes
                     BEGIN (IMMEDIATE)
                     the lease has our epoch? lock it          else LedgerHeld   (Database.writing)
                     the table ends where we left it?          else LedgerHeld
                     INSERT the new leaves                     a known event id: ROLLBACK, once more from BEGIN, and
                                                               known ids first: same body -> its entry
                                                               else IdempotencyConflict, ROLLBACK
                     COMMIT (fsync)                            <- the promise is made here
                     frontier and last time move on; return the entries

A fault before COMMIT leaves nothing. A fault *at* COMMIT leaves the outcome unknown: the batch may stand.
The caller sees the error, sends the same drafts again, and gets the first entries if they stand. Before
its next append the log reads the table again, under the lease's lock and so after any COMMIT that is still
under way, and goes on only if that ends either where the failed batch began or where it would have ended;
anything else was written by somebody else, and this writer is done.

Time comes from the clock and never decreases: when the clock goes back (NTP, a second machine), entries
repeat the last time until the clock has passed it again. The entries of one append share one time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from types import TracebackType
from typing import NamedTuple, Self

from sqlalchemy import select

from runtime.domain.base import rfc3339
from runtime.domain.entry import Draft, Entry, Prepared, entry_from_leaf, may_be_id, prepare
from runtime.domain.errors import IdempotencyConflict, LedgerCorrupt
from runtime.ledger.database import Database
from runtime.ledger.driver import Statements
from runtime.ledger.errors import EntryUnwritable, LedgerHeld, LedgerLocked
from runtime.ledger.lease import LEASE
from runtime.ledger.merkle import HASH_BYTES, Frontier, leaf_hash
from runtime.ledger.past import published_frontier
from runtime.ledger.schema import ENTRIES

LOCK_TIMEOUT = timedelta(seconds=5)
READ_ROWS = 1_000
"""Entries read in one short transaction, so that a slow consumer never holds the write-ahead log open."""

REBUILD_ROWS = 20_000
IDS_IN_ONE_QUERY = 500
RETRY_SECONDS = 0.2


class LogReader:
    """A ledger to read. Safe to use from many threads; sees what was committed when it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._frontier = Frontier()
        self._turn = threading.Lock()

    @property
    def database(self) -> Database:
        """Where the entries stand, for those who keep tiles and checkpoints beside them."""
        return self._database

    @property
    def size(self) -> int:
        """The number of committed entries."""
        return self._current().size

    @property
    def root(self) -> str:
        """The Merkle root over all committed entries, in hex (RFC 9162, 2.1.1)."""
        return self._current().root().hex()

    def head(self) -> tuple[int, bytes]:
        """Size and root of one moment, as this process knows them."""
        frontier = self._current()
        return frontier.size, frontier.root()

    def entries(
        self, since: int = 0, limit: int | None = None, kinds: Collection[str] | None = None
    ) -> Iterator[Entry]:
        """Entries with ``seq >= since`` in order, at most ``limit``, of these kinds only.

        Raises ``LedgerCorrupt`` at an entry whose bytes are not what its hash says, ``ValueError`` on a
        negative number.
        """
        if since < 0 or (limit is not None and limit < 0):
            raise ValueError(f"since and limit count from 0; got since={since}, limit={limit}")
        return self._pages(since, limit, kinds)

    def find(self, event_id: str) -> Entry | None:
        """The entry recorded under this id."""
        if not may_be_id(event_id):
            return None
        query = select(ENTRIES.c.seq, ENTRIES.c.leaf_hash, ENTRIES.c.leaf).where(ENTRIES.c.event_id == event_id)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _entry_of(*row)

    def find_all(self, event_ids: Iterable[str]) -> dict[str, Entry]:
        """The entries recorded under these ids, by id; nothing for an id that is not."""
        found = _recorded(self._database, {each for each in event_ids if may_be_id(each)})
        return {event_id: recorded.entry for event_id, recorded in found.items()}

    def close(self) -> None:
        """Give the database back. May be called again; any other use afterwards is refused."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _current(self) -> Frontier:
        with self._turn:
            self._catch_up()
            return self._frontier

    def _catch_up(self) -> None:
        """Take in what the table holds beyond the frontier. A new frontier replaces the old one whole."""
        grown = self._frontier.copy()
        query = select(ENTRIES.c.seq, ENTRIES.c.leaf_hash).order_by(ENTRIES.c.seq).limit(REBUILD_ROWS)
        with self._database.reading(at=grown.size) as connection:
            while rows := connection.execute(query.where(ENTRIES.c.seq >= grown.size)).all():
                for seq, stored in rows:
                    if seq != grown.size or len(stored) != HASH_BYTES:
                        told = f"expected its leaf hash; found entry {seq} ({len(stored)} bytes)"
                        raise LedgerCorrupt(grown.size, told)
                    grown.append(stored)
                if len(rows) < REBUILD_ROWS:
                    break
        self._frontier = grown

    def _pages(self, since: int, limit: int | None, kinds: Collection[str] | None) -> Iterator[Entry]:
        query = select(ENTRIES.c.seq, ENTRIES.c.leaf_hash, ENTRIES.c.leaf).order_by(ENTRIES.c.seq)
        if kinds is not None:
            query = query.where(ENTRIES.c.kind.in_(sorted(kinds)))
        left = limit
        while left is None or left > 0:
            wanted = READ_ROWS if left is None else min(left, READ_ROWS)
            with self._database.reading(at=since) as connection:
                rows = connection.execute(query.where(ENTRIES.c.seq >= since).limit(wanted)).all()
            for row in rows:
                yield _entry_of(*row)
            if len(rows) < wanted:
                return
            since = rows[-1].seq + 1
            left = None if left is None else left - len(rows)


class Log(LogReader):
    """The ledger's one writer."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        super().__init__(database)
        self._clock = clock
        self._last_time = datetime.min.replace(tzinfo=UTC)
        self._doubt: Frontier | None = None  # what a batch of unknown outcome would have made of the frontier

    @classmethod
    def open(
        cls,
        url: str,
        clock: Callable[[], datetime],
        *,
        lock_timeout: timedelta = LOCK_TIMEOUT,
        lease: timedelta = LEASE,
        patience: timedelta = timedelta(0),
    ) -> Log:
        """Become the writer of the ledger at this URL (see ``database``), which is created if missing.

        ``clock`` gives aware times. ``lease`` is how long PostgreSQL waits for a writer that fell silent;
        ``patience`` how long to wait for another writer's end. Raises ``LedgerHeld`` while another writer
        lives, ``LedgerNewer``, ``LedgerLocked``, ``LedgerUnavailable``, and ``LedgerCorrupt`` when entries
        are missing.
        """
        log = cls(_patiently(lambda: Database.open_for_writing(url, lock_timeout, lease), patience), clock)
        try:
            with log._turn:
                log._load()
        except BaseException:
            log.close()
            raise
        return log

    @staticmethod
    def open_read_only(url: str, *, lock_timeout: timedelta = LOCK_TIMEOUT) -> LogReader:
        """Read a ledger, beside its living writer or without one. Raises ``LedgerUnavailable``."""
        return LogReader(Database.open_for_reading(url, lock_timeout))

    @property
    def epoch(self) -> int:
        """The lease's epoch, one more for each writer that took the ledger."""
        return self._database.epoch

    def next_time(self) -> datetime:
        """The time an append would give its entries now: the clock's, or the last entry's if that is later."""
        with self._turn:
            self._settle_doubt()
            return self._time_now()

    def append(self, drafts: Sequence[Draft | Prepared], *, at: datetime | None = None) -> list[Entry]:
        """Record the drafts in order, all or none, and return the entry of each after COMMIT.

        What was prepared already (``entry.prepare``) is not encoded again. ``at`` is a time that ``next_time``
        gave since the last append, for a caller that folds before it writes; by default the entries get that of
        now.

        A draft whose id is recorded already, or repeated in the batch, with the same event and principal
        gets the first entry and is not written again. Raises ``IdempotencyConflict`` when the body differs
        and ``EntryUnwritable`` when a draft has no canonical form; nothing is written then. After any
        other error (``LedgerUnavailable`` and its kinds) the drafts may be sent again as they are.
        """
        prepared = [each if isinstance(each, Prepared) else _prepared(each) for each in drafts]
        with self._turn:
            self._settle_doubt()
            time = max(at or self._time_now(), self._last_time)
            try:
                return self._append(_Batch(self._frontier.size, time, None), prepared)
            except _Repeated:
                # Nobody adds to what is found: this writer has the turn, and _append checks the lease.
                recorded = _recorded(self._database, {each.draft.event_id for each in prepared})
                return self._append(_Batch(self._frontier.size, time, recorded), prepared)

    def _append(self, batch: _Batch, prepared: Sequence[Prepared]) -> list[Entry]:
        """Raises ``_Repeated`` when an event's id may be recorded and the batch does not know what is."""
        answers, grown = [batch.place(each) for each in prepared], self._frontier.copy()
        grown.extend(row.leaf_hash for row in batch.rows)
        try:
            with self._database.appending() as statements:
                self._check_tail(statements)
                if batch.rows:
                    _insert(statements, self._database.insert_entries, batch)
        except (_Repeated, LedgerHeld, LedgerLocked):
            raise  # before COMMIT was tried
        except BaseException:
            self._doubt = grown
            raise
        if batch.rows:
            self._frontier, self._last_time = grown, batch.time
        return answers

    def _current(self) -> Frontier:
        if self._doubt is not None:
            with self._turn:
                self._settle_doubt()
        return self._frontier

    def _load(self) -> None:
        """Bring frontier and last time to what the table holds."""
        if self._frontier.size == 0:
            with self._database.reading() as connection:
                self._frontier = published_frontier(connection)
        self._catch_up()
        last = select(ENTRIES.c.time).order_by(ENTRIES.c.seq.desc()).limit(1)
        with self._database.reading() as connection:
            text = connection.execute(last).scalar_one_or_none()
        if text is not None:
            self._last_time = datetime.fromisoformat(text)

    def _settle_doubt(self) -> None:
        """Find out whether the batch whose COMMIT failed stands."""
        if self._doubt is None:
            return
        before, wanted = self._frontier, self._doubt
        with self._database.writing():
            self._load()
        if self._frontier.root() not in {before.root(), wanted.root()}:
            found, self._frontier = self._frontier.size, before
            raise LedgerHeld(self._database.url, f"holds {found} entries that are not all of this writer")
        self._doubt = None

    def _time_now(self) -> datetime:
        now = self._clock()
        if now.tzinfo is None:
            raise ValueError(f"the ledger's clock must give a zone; got {now.isoformat()}")
        return max(now.astimezone(UTC), self._last_time)

    def _check_tail(self, statements: Statements) -> None:
        last = statements.value(_LAST)
        found = 0 if last is None else last + 1
        if found != self._frontier.size:
            raise LedgerHeld(self._database.url, f"holds {found} entries where this writer left {self._frontier.size}")


_LAST = "SELECT max(seq) FROM entries"


class _Recorded(NamedTuple):
    entry: Entry
    leaf: bytes


class _Row(NamedTuple):
    """In the order of the table's columns."""

    seq: int
    event_id: str
    time: str
    kind: str
    leaf_hash: bytes
    leaf: bytes


class _Repeated(Exception):
    """An event's id stands in the table already. Never leaves this module."""


class _Batch:
    """Drafts on their way to rows: finds each a place, or the place it already has."""

    def __init__(self, size: int, time: datetime, recorded: dict[str, _Recorded] | None) -> None:
        """``recorded`` is what stands under the drafts' ids; None where that was not asked."""
        self.rows: list[_Row] = []
        self.time = time
        self.asked = recorded is not None
        self._size = size
        self._spelled = rfc3339(time)
        self._recorded = recorded or {}

    def place(self, prepared: Prepared) -> Entry:
        draft = prepared.draft
        first = self._recorded.get(draft.event_id)
        if first is not None:
            if prepared.leaf(rfc3339(first.entry.time)) != first.leaf:
                if not self.asked:
                    raise _Repeated
                raise IdempotencyConflict(f"event {draft.event_id}", f"entry {first.entry.seq} has another body")
            return first.entry
        leaf = prepared.leaf(self._spelled)
        entry = prepared.entry(self._size + len(self.rows), self.time)
        self._recorded[draft.event_id] = _Recorded(entry, leaf)
        self.rows.append(_Row(entry.seq, draft.event_id, self._spelled, draft.event.kind, leaf_hash(leaf), leaf))
        return entry


def _insert(statements: Statements, statement: str, batch: _Batch) -> None:
    try:
        statements.insert(statement, batch.rows)
    except statements.refusal as error:
        if batch.asked:
            raise
        raise _Repeated from error


def _patiently(opening: Callable[[], Database], patience: timedelta) -> Database:
    ends = monotonic() + patience.total_seconds()
    while True:
        try:
            return opening()
        except (LedgerHeld, LedgerLocked):  # locked: by what a writer that vanished left open
            if monotonic() >= ends:
                raise
        sleep(RETRY_SECONDS)


def _prepared(draft: Draft) -> Prepared:
    try:
        return prepare(draft)
    except (ValueError, KeyError, TypeError) as error:  # rfc8785's, pydantic's and a lone surrogate's are ValueErrors
        raise EntryUnwritable(draft.event_id, str(error)) from error


def _recorded(database: Database, event_ids: set[str]) -> dict[str, _Recorded]:
    """What stands under these ids."""
    found: dict[str, _Recorded] = {}
    wanted = list(event_ids)
    for start in range(0, len(wanted), IDS_IN_ONE_QUERY):
        ids = tuple(wanted[start : start + IDS_IN_ONE_QUERY])
        query = f"SELECT seq, leaf_hash, leaf FROM entries WHERE event_id IN ({database.places(len(ids))})"  # noqa: S608
        for seq, stored, leaf in database.rows(query, ids):
            entry = _entry_of(seq, stored, leaf)
            found[entry.event_id] = _Recorded(entry, leaf)
    return found


def _entry_of(seq: int, stored: bytes, leaf: bytes) -> Entry:
    """The entry of a row; its bytes are checked against its hash each time they are read."""
    if leaf_hash(leaf) != stored:
        raise LedgerCorrupt(seq, "its bytes do not hash to its leaf hash")
    try:
        return entry_from_leaf(seq, leaf)
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerCorrupt(seq, f"its bytes are no event: {error}") from error
