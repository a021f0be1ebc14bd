"""The writer's lease: one row that says who may write, and under which epoch.

    leases:  name = 'writer'   epoch      + 1 each time a writer takes over; the fencing token
                               holder     for people: which process, on which machine
                               expires    until when another may not take it; kept ahead by its holder

    free ---take: epoch + 1---> held ---renew---> held          (an older epoch renews nothing)
                                held ---close, expiry, end of the holder's session---> free

What makes two writers harmless is not the time but the epoch: a holder that slept past its lease is
refused by its own next transaction (``Database.writing``), however sure it is of itself. The time only
says how soon another may try.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta

from sqlalchemy import Connection, text

LEASE = timedelta(seconds=10)
"""For so long a writer that fell silent is waited for, where nothing tells sooner that it ended."""

WRITER = "writer"
UNTIL_ITS_PROCESS_ENDS = "9999-12-31T23:59:59.999999Z"
EPOCH = f"SELECT epoch FROM leases WHERE name = '{WRITER}'"  # noqa: S608 - a constant

# The same words on SQLite and PostgreSQL.
_TAKE = text(
    "INSERT INTO leases (name, epoch, holder, expires) VALUES (:name, :epoch, :holder, :expires) "
    "ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder, expires = excluded.expires"
)
_MOVE = text("UPDATE leases SET expires = :expires WHERE name = :name AND epoch = :epoch")


def next_epoch(connection: Connection) -> int:
    """The epoch of whoever takes the lease now."""
    last: int | None = connection.exec_driver_sql(EPOCH).scalar_one_or_none()
    return 1 if last is None else last + 1


def take(connection: Connection, epoch: int, expires: str) -> None:
    """Make this process the holder, under this epoch."""
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    connection.execute(_TAKE, {"name": WRITER, "epoch": epoch, "holder": holder, "expires": expires})


def move(connection: Connection, epoch: int, expires: str) -> bool:
    """Renew the lease, or end it; whether it still was of this epoch."""
    return connection.execute(_MOVE, {"name": WRITER, "epoch": epoch, "expires": expires}).rowcount == 1
