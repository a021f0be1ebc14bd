"""How the lease is kept in PostgreSQL: by time, and by the life of a session.

The lease (see ``lease``) may go to another writer when

    it was given back        its holder closed the ledger
    it expired               by the server's clock: no two machines need agree on the time
    its session ended        the holder keeps an advisory lock named after its epoch, which the server drops
                             with the session: a killed writer is replaced at once, not after its lease

The last is a sign, no proof: a session may end while its writer lives. Then the writer is fenced off by
its epoch if another came, and takes up a new session if none did.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from runtime.domain.base import rfc3339
from runtime.ledger import lease
from runtime.ledger.errors import LedgerHeld

RENEWALS = 3
"""So often a lease is renewed within its time."""

_ROW = text("SELECT epoch, holder, expires FROM leases WHERE name = :name FOR UPDATE")
_SESSION = "hashtextextended(format('fleetward writer %s %s', 'leases'::regclass::oid, CAST(:epoch AS bigint)), 0)"
_ENDED = text(f"SELECT pg_try_advisory_xact_lock({_SESSION})")  # to try it is to ask; given back at COMMIT
_BIND = text(f"SELECT pg_try_advisory_lock({_SESSION})")


def take(session: Connection, url: str, duration: timedelta) -> int:
    """Take the lease under the next epoch and tie it to this session. Raises ``LedgerHeld``."""
    row = session.execute(_ROW, {"name": lease.WRITER}).one_or_none()
    if row is not None and row.expires > _server_time(session, timedelta()) and not _ended(session, row.epoch):
        raise LedgerHeld(url, f"another writer lives: {row.holder}, under epoch {row.epoch}, at least to {row.expires}")
    epoch = lease.next_epoch(session)
    session.execute(_BIND, {"epoch": epoch})
    lease.take(session, epoch, _server_time(session, duration))
    return epoch


class Keeper:
    """Renews the lease from a thread of its own, until it ends or the lease has gone to another epoch."""

    def __init__(self, engine: Engine, session: Connection, epoch: int, duration: timedelta) -> None:
        self._engine = engine
        self._session: Connection | None = session
        self._epoch = epoch
        self._duration = duration
        self._ending = threading.Event()
        # A daemon: a process that ends without close() leaves a lease that expires by itself.
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Give the lease back, if the server can be told. May be called again."""
        if not self._ending.is_set():
            self._ending.set()
            self._thread.join()
            self._move(timedelta())
            self._drop_session()

    def _run(self) -> None:
        while not self._ending.wait(self._duration.total_seconds() / RENEWALS):
            if self._move(self._duration) is False:
                return

    def _move(self, duration: timedelta) -> bool | None:
        """Let the lease run for so long from now; whether it still was ours, None where the server gave no answer."""
        try:
            session = self._live_session()
            with session.begin():
                return lease.move(session, self._epoch, _server_time(session, duration))
        except DBAPIError:  # the next try, on a new session, comes before the lease expires
            self._drop_session()
            return None

    def _live_session(self) -> Connection:
        if self._session is None:
            session = self._engine.connect()
            self._session = session
            with session.begin():
                session.execute(_BIND, {"epoch": self._epoch})
        return self._session

    def _drop_session(self) -> None:
        """Close it for good: back in the pool it would go on holding its advisory lock."""
        session, self._session = self._session, None
        if session is not None:
            session.invalidate()
            session.close()


def _ended(session: Connection, epoch: int) -> bool:
    """Whether nobody's session is tied to this epoch any more."""
    return bool(session.execute(_ENDED, {"epoch": epoch}).scalar_one())


def _server_time(connection: Connection, ahead: timedelta) -> str:
    """The server's time, so much ahead, in the ledger's spelling."""
    now: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    return rfc3339(now + ahead)
