"""What is particular to SQLite: settings, the writer's lock, and what its errors mean.

Settings of every connection:

    journal_mode = WAL        readers and the writer do not wait for each other; kept in the file
    synchronous = FULL        COMMIT returns after fsync of the write-ahead log: an acknowledged entry
                              survives power loss, not only kill -9
    fullfsync = ON            on macOS, where fsync alone does not reach the platter; nothing elsewhere
    busy_timeout              how long to wait for a lock before ``LedgerLocked``
    trusted_schema = OFF      a doctored file's views and triggers may not call functions
    cell_size_check = ON      damaged pages are noticed when read
    journal_size_limit        the write-ahead log shrinks to this after a checkpoint

Transactions are begun by hand (``BEGIN``, ``BEGIN IMMEDIATE``), since Python's driver would begin them
late and only before some statements.

The one-writer rule is an flock on ``<database>.lock``. The kernel drops it when the process ends, however
it ends; the file itself stays, since removing it would let two writers lock two files of one name. Two
holes remain: network file systems without flock, and a child made by a bare fork, which shares the lock.
Therefore ``Log.append`` also checks that the table still ends where this writer left it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool

from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.errors import LedgerFull, LedgerHeld, LedgerLocked, LedgerUnavailable
from runtime.ledger.schema import ENTRIES, METADATA

JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024


class Database:
    """An opened ledger database. ``reading`` and ``writing`` are transactions with the room's errors."""

    def __init__(self, engine: Engine, url: str, lock: WriterLock | None) -> None:
        self.engine = engine
        self.url = url
        self._lock = lock
        self._closed = False

    @classmethod
    def open_for_writing(cls, url: str, lock_timeout: timedelta) -> Database:
        """Take the writer's lock and create what is missing. The folder must exist.

        Raises ``LedgerHeld``, ``LedgerLocked``, ``LedgerUnavailable``.
        """
        url, path = _sqlite_file(url)
        if not path.parent.is_dir():
            raise LedgerUnavailable(url, f"the folder {path.parent} does not exist")
        lock = WriterLock.take(path, url)
        database = cls(_engine(path, "rwc", lock_timeout), url, lock)
        try:
            with database.writing() as connection:
                METADATA.create_all(connection)
            _sync_folder(path.parent)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def open_for_reading(cls, url: str, lock_timeout: timedelta) -> Database:
        """Open without the right to change anything, beside a living writer or not.

        SQLite keeps shared memory beside a WAL database, so the folder must be writable or a writer alive.
        Raises ``LedgerUnavailable`` where there is no ledger.
        """
        url, path = _sqlite_file(url)
        if not path.is_file():
            raise LedgerUnavailable(url, "no such file")
        database = cls(_engine(path, "ro", lock_timeout), url, None)
        try:
            database._require_ledger()
        except BaseException:
            database.close()
            raise
        return database

    @contextlib.contextmanager
    def reading(self, at: int = 0) -> Iterator[Connection]:
        """A read transaction; ``at`` is the entry that a damaged page is reported for."""
        self._require_open()
        with translated(self.url, at), self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction: committed when the block ends, rolled back when it raises."""
        self._require_open()
        writer = self.engine.execution_options(begin="BEGIN IMMEDIATE")
        with translated(self.url, 0), writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections and give the writer's lock back. May be called again."""
        self._closed = True
        self.engine.dispose()
        if self._lock is not None:
            self._lock.release()

    def _require_ledger(self) -> None:
        with self.reading() as connection:
            if not inspect(connection).has_table(ENTRIES.name):
                raise LedgerUnavailable(self.url, "the database holds no ledger")

    def _require_open(self) -> None:
        if self._closed:
            raise LedgerUnavailable(self.url, "closed")


class WriterLock:
    """The flock that makes a process the ledger's one writer, until it releases it or ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, database: Path, url: str) -> WriterLock:
        """The lock beside ``database``. Raises ``LedgerHeld`` at once when another writer has it."""
        path = database.with_name(database.name + ".lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerUnavailable(url, f"the lock file {path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise LedgerHeld(url, f"another writer lives: process {holder}") from error
        except OSError as error:
            os.close(descriptor)
            raise LedgerUnavailable(url, f"the lock file {path} cannot be locked: {error.strerror}") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let another writer in. May be called again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextlib.contextmanager
def translated(url: str, at: int) -> Iterator[None]:
    """Turn the driver's errors into this room's, by SQLite's result code (sqlite.org/rescode.html)."""
    try:
        yield
    except DBAPIError as error:
        raise _meaning(error.orig, url, at) from error
    except sqlite3.Error as error:  # raised in a connection hook, outside SQLAlchemy's own wrapping
        raise _meaning(error, url, at) from error


def _meaning(error: BaseException | None, url: str, at: int) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return LedgerLocked(url, "locked by another process for longer than the timeout")
    if code == sqlite3.SQLITE_FULL:
        return LedgerFull(url, "no space left on the disk or under the database's page limit")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return LedgerCorrupt(at, f"the database file is damaged: {error}")
    return LedgerUnavailable(url, str(error))


def _sqlite_file(url: str) -> tuple[str, Path]:
    """The URL without a password, and the file, links resolved so that two names of it share one lock."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise LedgerUnavailable("(unreadable URL)", "not a database URL; expected sqlite:////path/to/file") from error
    shown = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() != "sqlite":
        raise LedgerUnavailable(shown, "not a database this ledger writes; expected sqlite:////path/to/file")
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise LedgerUnavailable(shown, "a ledger is a file; expected sqlite:////path/to/file")
    return shown, Path(parsed.database).resolve()


def _engine(path: Path, mode: str, lock_timeout: timedelta) -> Engine:
    address = f"{path.as_uri()}?mode={mode}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            address,
            uri=True,
            timeout=lock_timeout.total_seconds(),
            isolation_level=None,  # the driver begins nothing by itself
            check_same_thread=False,  # the pool hands a connection to one thread at a time
        )

    # Named, since a URL without a file would get a pool of one connection; as many readers as there are threads.
    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, max_overflow=-1)
    event.listen(engine, "connect", _writable if mode == "rwc" else _settings)
    event.listen(engine, "begin", _begin)
    return engine


def _settings(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_LIMIT_BYTES}")


def _writable(connection: sqlite3.Connection, record: object) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError(f"the file system allows no write-ahead log (journal mode {mode})")
    _settings(connection, record)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
