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

The one-writer rule begins with an flock on ``<database>.lock``. The kernel drops it when the process ends,
however it ends; the file itself stays, since removing it would let two writers lock two files of one name.
Who has the lock therefore takes the lease at once, whatever it says. Two holes remain: network file systems
without flock, where the epoch fences the older writer off; and a child made by a bare fork, which shares
the lock and the epoch. Therefore ``Log.append`` also checks that the table still ends where it left it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from runtime.domain.errors import LedgerCorrupt
from runtime.ledger import lease, migrations
from runtime.ledger.errors import LedgerFull, LedgerHeld, LedgerLocked, LedgerOlder, LedgerUnavailable
from runtime.ledger.folders import sync_folder

JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024


class Sqlite:
    """A ledger in a file. See the module's docstring."""

    placeholder = "?"
    begin: str | None = "BEGIN IMMEDIATE"
    fence = lease.EPOCH  # BEGIN IMMEDIATE keeps everybody else from writing

    def __init__(self, url: str, path: Path, engine: Engine, lock: WriterLock | None) -> None:
        self.url = url
        self.engine = engine
        self._path = path
        self._lock = lock

    @classmethod
    def for_writing(cls, parsed: URL, lock_timeout: timedelta, _lease: timedelta) -> Sqlite:
        """The file behind its writer's lock."""
        url, path = _file_of(parsed)
        if not path.parent.is_dir():
            raise LedgerUnavailable(url, f"the folder {path.parent} does not exist")
        lock = WriterLock.take(path, url)
        return cls(url, path, _engine(path, "rwc", lock_timeout), lock)

    @classmethod
    def for_reading(cls, parsed: URL, lock_timeout: timedelta) -> Sqlite:
        """The file, opened so that it cannot be changed."""
        url, path = _file_of(parsed)
        if not path.is_file():
            raise LedgerUnavailable(url, "no such file")
        return cls(url, path, _engine(path, "ro", lock_timeout), None)

    def become_writer(self) -> int:
        """Whoever has the lock has the lease."""
        with self.engine.execution_options(begin="BEGIN IMMEDIATE").begin() as connection:
            migrations.upgrade(connection, self.url)
            epoch = lease.next_epoch(connection)
            lease.take(connection, epoch, lease.UNTIL_ITS_PROCESS_ENDS)
        sync_folder(self._path.parent)
        return epoch

    @contextlib.contextmanager
    def translated(self, at: int) -> Iterator[None]:
        """By SQLite's result code (sqlite.org/rescode.html)."""
        try:
            yield
        except DBAPIError as error:
            raise _meaning(error.orig, self.url, at) from error
        except sqlite3.Error as error:  # of a connection hook or of ``driver``, outside SQLAlchemy's own wrapping
            raise _meaning(error, self.url, at) from error

    def close(self) -> None:
        """Close all connections, then let another writer in."""
        self.engine.dispose()
        if self._lock is not None:
            self._lock.release()


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


def _meaning(error: BaseException | None, url: str, at: int) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return LedgerLocked(url, "locked by another process for longer than the timeout")
    if code == sqlite3.SQLITE_FULL:
        return LedgerFull(url, "no space left on the disk or under the database's page limit")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return LedgerCorrupt(at, f"the database file is damaged: {error}")
    if str(error).startswith("no such table: "):
        return LedgerOlder(url, str(error))
    return LedgerUnavailable(url, str(error))


def _file_of(parsed: URL) -> tuple[str, Path]:
    """The URL for people, and the file, links resolved so that two names of it share one lock."""
    shown = parsed.render_as_string(hide_password=True)
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
