"""A ledger's database, whichever it is: transactions with this room's errors, and one writer.

    sqlite:////path/to/file                        the embedded default (``sqlite``)
    postgresql://user:password@host/database       psycopg 3 (``postgres``)

Both keep the same tables (``schema``), made and moved forward by ``migrations`` when a writer opens.

**One writer.** Opening for writing takes the lease (``lease``) under the next epoch. From then on every
write transaction begins by reading the lease's row and ends at once if the epoch is another: a writer that
was paused, cut off or taken for dead finds itself fenced off before it changes anything. The row stays
locked until COMMIT, so the epoch cannot change between the check and the promise.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from runtime.ledger import driver, migrations
from runtime.ledger.errors import LedgerHeld, LedgerUnavailable
from runtime.ledger.lease import EPOCH, LEASE
from runtime.ledger.postgres import Postgres
from runtime.ledger.schema import ENTRIES
from runtime.ledger.sqlite import Sqlite

EXPECTED = "expected sqlite:////path/to/file or postgresql://user@host/database"


class Backend(Protocol):
    """What is particular to one kind of database."""

    url: str
    """For people: without a password."""
    engine: Engine
    placeholder: str
    """What stands for a value in the driver's SQL."""
    fence: str
    """SQL that gives the lease's epoch and keeps anybody from changing it until the transaction ends."""

    begin: str | None
    """What begins a write transaction; None where the driver does it with the first statement."""

    def become_writer(self) -> int:
        """Migrate, take the lease and keep it; its epoch."""

    def translated(self, at: int) -> contextlib.AbstractContextManager[None]:
        """A block whose driver's errors come out as this room's; ``at`` is the entry a damaged page is told for."""

    def close(self) -> None:
        """Close all connections and give the lease back."""


class Database:
    """An opened ledger database. ``reading`` and ``writing`` are transactions with the room's errors."""

    def __init__(self, backend: Backend) -> None:
        self.engine = backend.engine
        self.url = backend.url
        self.epoch = 0
        self._backend = backend
        self._writer = backend.engine.execution_options(begin=backend.begin)
        self.insert_entries = f"INSERT INTO entries VALUES ({self.places(len(ENTRIES.c))})"  # noqa: S608
        self._closed = False
        self._writes = threading.Lock()  # threads of one writer queue here: SQLite would make them poll

    @classmethod
    def open_for_writing(cls, url: str, lock_timeout: timedelta, lease: timedelta = LEASE) -> Database:
        """Become the writer, under the next epoch; what is missing is created (on SQLite the folder must exist).

        Raises ``LedgerHeld`` while another writer lives, ``LedgerNewer``, ``LedgerLocked``, ``LedgerUnavailable``.
        """
        backend, parsed = _backend_of(url)
        database = cls(backend.for_writing(parsed, lock_timeout, lease))
        try:
            with database._backend.translated(0):
                database.epoch = database._backend.become_writer()
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def open_for_reading(cls, url: str, lock_timeout: timedelta) -> Database:
        """Open without the right to change anything, beside a living writer or not.

        SQLite keeps shared memory beside a WAL database, so the folder must be writable or a writer alive.
        Raises ``LedgerUnavailable`` where there is no ledger, ``LedgerNewer``.
        """
        backend, parsed = _backend_of(url)
        database = cls(backend.for_reading(parsed, lock_timeout))
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
        with self._backend.translated(at), self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction: committed when the block ends, rolled back when it raises.

        Raises ``LedgerHeld`` before the block begins when the lease has gone to another writer.
        """
        self._require_open()
        with self._writes, self._backend.translated(0), self._writer.begin() as connection:
            self._require_epoch(connection, self._backend.fence)
            yield connection

    @contextlib.contextmanager
    def appending(self) -> Iterator[driver.Statements]:
        """``writing`` in the driver's SQL (see ``driver``), for what happens with every entry."""
        self._require_open()
        with (
            self._writes,
            self._backend.translated(0),
            driver.writing(self.engine, self._backend.begin) as statements,
        ):
            self._require_own(statements.value(self._backend.fence))
            yield statements

    def rows(self, statement: str, parameters: Sequence[object]) -> Sequence[Any]:
        """The rows of a query in the driver's SQL, likewise."""
        self._require_open()
        with self._backend.translated(0), driver.reading(self.engine) as statements:
            return statements.rows(statement, parameters)

    def places(self, values: int) -> str:
        """What stands for so many values in the driver's SQL."""
        return ", ".join([self._backend.placeholder] * values)

    def require_lease(self) -> None:
        """Pass silently while the lease is this writer's. Raises ``LedgerHeld`` when it has gone to another."""
        with self.reading() as connection:
            self._require_epoch(connection, EPOCH)

    def close(self) -> None:
        """Close all connections and let another writer in. May be called again."""
        self._closed = True
        self._backend.close()

    def _require_ledger(self) -> None:
        with self.reading() as connection:
            inspector = inspect(connection)
            if not inspector.has_table(ENTRIES.name):
                raise LedgerUnavailable(self.url, "the database holds no ledger")
            found = {column["name"] for column in inspector.get_columns(ENTRIES.name)}
            if missing := [column.name for column in ENTRIES.c if column.name not in found]:
                told = f"its table {ENTRIES.name!r} is of another program (no column {', '.join(missing)})"
                raise LedgerUnavailable(self.url, f"the database holds no ledger: {told}")
            migrations.require_known(connection, self.url)

    def _require_epoch(self, connection: Connection, query: str) -> None:
        self._require_own(connection.exec_driver_sql(query).scalar_one_or_none())

    def _require_own(self, epoch: int | None) -> None:
        if epoch != self.epoch:
            raise LedgerHeld(self.url, f"this writer's epoch is {self.epoch}; the lease has gone to epoch {epoch}")

    def _require_open(self) -> None:
        if self._closed:
            raise LedgerUnavailable(self.url, "closed")


def without_password(url: str) -> str:
    """A database URL as people may see it. Raises ``LedgerUnavailable`` when it is none."""
    shown = _parsed(url)
    return shown.set(query={}).render_as_string(hide_password=True)


def _backend_of(url: str) -> tuple[type[Sqlite | Postgres], URL]:
    parsed = _parsed(url)
    match parsed.get_backend_name(), parsed.drivername:
        case "sqlite", _:
            return Sqlite, parsed
        case _, "postgresql" | "postgresql+psycopg":
            return Postgres, parsed
    raise LedgerUnavailable(without_password(url), f"not a database this ledger writes; {EXPECTED}")


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:  # ValueError: the port is no number
        raise LedgerUnavailable("(unreadable URL)", f"not a database URL; {EXPECTED}") from error
