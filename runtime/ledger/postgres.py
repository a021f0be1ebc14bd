"""What is particular to PostgreSQL: the session's settings, and what its errors mean.

Settings of every session, given when it starts:

    synchronous_commit = on                    COMMIT returns after the flush (and that of synchronous standbys)
    lock_timeout                               how long to wait for a lock before ``LedgerLocked``
    idle_in_transaction_session_timeout        a writer that stops inside a transaction is rolled back after
                                               the time of its lease, and so keeps nobody out
    default_transaction_read_only = on         of readers: they may change nothing
    keepalives, tcp_user_timeout               a server that vanished is noticed in seconds, not in hours

A server that runs with fsync = off forgets acknowledged entries when its machine fails; a client cannot
ask for more.

Transactions are READ COMMITTED. Each one of the writer locks the lease's row first, so all of them, and
every taking of the lease, happen one after the other; and each later statement sees what was committed
before the lock was given. That goes also for a COMMIT whose answer was lost: who locks the row afterwards
sees it done or undone, never under way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import timedelta

from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from runtime.domain.errors import LedgerCorrupt
from runtime.ledger import keeper, lease, migrations
from runtime.ledger.driver import module_of
from runtime.ledger.errors import LedgerFull, LedgerLocked, LedgerOlder, LedgerUnavailable

SILENT_SECONDS = 15
"""A server that acknowledges nothing for so long is taken for gone."""

_LOCKED = {"55P03", "40001", "40P01"}  # lock not available, serialization failure, deadlock
_FULL = {"53100"}
_NO_TABLE = "42P01"
_DAMAGED = {"XX001", "XX002"}

# One opening at a time in a schema, since tables may not be there yet to be locked.
OPENING = text("SELECT pg_advisory_xact_lock(hashtextextended('fleetward opening ' || current_schema(), 0))")


class Postgres:
    """A ledger in a PostgreSQL database. See the module's docstring."""

    placeholder = "%s"
    begin: str | None = None  # psycopg begins with the first statement
    fence = f"{lease.EPOCH} FOR UPDATE"

    def __init__(self, parsed: URL, engine: Engine, duration: timedelta) -> None:
        self.url = _shown(parsed)
        self.engine = engine
        self._secrets = [parsed.password] if parsed.password else []
        self._duration = duration
        self._keeper: keeper.Keeper | None = None

    @classmethod
    def for_writing(cls, parsed: URL, lock_timeout: timedelta, duration: timedelta) -> Postgres:
        """The database for its writer, who may not sleep inside a transaction for longer than its lease."""
        settings = {"idle_in_transaction_session_timeout": _milliseconds(duration)}
        return cls(parsed, _engine(parsed, lock_timeout, settings), duration)

    @classmethod
    def for_reading(cls, parsed: URL, lock_timeout: timedelta) -> Postgres:
        """The database for those who may change nothing."""
        return cls(parsed, _engine(parsed, lock_timeout, {"default_transaction_read_only": "on"}), lease.LEASE)

    def become_writer(self) -> int:
        """One transaction: where the lease is not to be had, no table was moved under its holder either."""
        session = self.engine.connect()
        try:
            with session.begin():
                session.execute(OPENING)
                migrations.upgrade(session, self.url)
                epoch = keeper.take(session, self.url, self._duration)
        except BaseException:
            session.invalidate()  # what it was tied to ends with it
            session.close()
            raise
        self._keeper = keeper.Keeper(self.engine, session, epoch, self._duration)
        return epoch

    @contextlib.contextmanager
    def translated(self, at: int) -> Iterator[None]:
        """By SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html)."""
        try:
            yield
        except DBAPIError as error:
            raise self._meaning(error.orig, at) from error
        except module_of(self.engine).Error as error:  # of ``driver``, outside SQLAlchemy's own wrapping
            raise self._meaning(error, at) from error

    def close(self) -> None:
        """Give the lease back, if the server can be told, and close all connections."""
        if self._keeper is not None:
            self._keeper.end()
        self.engine.dispose()

    def _meaning(self, error: BaseException | None, at: int) -> Exception:
        code = getattr(error, "sqlstate", None)
        told = str(error).strip()
        for secret in self._secrets:
            told = told.replace(secret, "***")
        if code in _LOCKED:
            return LedgerLocked(self.url, f"locked by another session for longer than the timeout: {told}")
        if code in _FULL:
            return LedgerFull(self.url, f"no space left on the server: {told}")
        if code in _DAMAGED:
            return LedgerCorrupt(at, f"the database is damaged: {told}")
        if code == _NO_TABLE:
            return LedgerOlder(self.url, told.splitlines()[0])
        return LedgerUnavailable(self.url, told)


def _shown(parsed: URL) -> str:
    """Without the password, and without the query, which may hold one too."""
    shown = parsed.set(query={}).render_as_string(hide_password=True)
    if not parsed.database:
        raise LedgerUnavailable(shown, "names no database; expected postgresql://user@host/database")
    return shown


def _engine(parsed: URL, lock_timeout: timedelta, settings: Mapping[str, object]) -> Engine:
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        connect_args=_arguments(parsed, {"lock_timeout": _milliseconds(lock_timeout), **settings}),
        poolclass=QueuePool,
        max_overflow=-1,  # as many readers as there are threads
        pool_pre_ping=True,  # a connection that broke while it lay idle costs no caller an error
        hide_parameters=True,  # a chained error shows no leaf
    )


def _arguments(parsed: URL, settings: Mapping[str, object]) -> dict[str, object]:
    """What libpq is told beside the URL. The URL's own word goes first, except about durability."""
    theirs = parsed.query.get("options", "")
    options = [theirs] if isinstance(theirs, str) else list(theirs)
    options += [f"-c {name}={value}" for name, value in {**settings, "synchronous_commit": "on"}.items()]
    defaults = {
        "application_name": "fleetward",
        "connect_timeout": SILENT_SECONDS,
        "keepalives_idle": SILENT_SECONDS // 3,
        "keepalives_interval": SILENT_SECONDS // 3,
        "keepalives_count": 2,
        "tcp_user_timeout": SILENT_SECONDS * 1_000,
    }
    asked = {name: value for name, value in defaults.items() if name not in parsed.query}
    return {**asked, "options": " ".join(options).strip()}


def _milliseconds(duration: timedelta) -> int:
    return max(1, round(duration.total_seconds() * 1_000))  # 0 would mean: for ever
