"""How the ledger's tables move forward: Alembic revisions, run by whoever opens the ledger for writing.

    versions/v0001_entries.py     the log
    versions/v0002_proofs.py      tiles, checkpoints, leases, snapshots

A database says in ``alembic_version`` which revision its tables have:

    none, no entries              new: all revisions run
    none, entries                 written before there were migrations: adopted, since revisions up to 0002
                                  leave a table alone that is there already
    older than ``HEAD``           the missing revisions run, in the transaction that takes the lease
    ``HEAD``                      nothing to do, and Alembic is not even imported (it takes half a second)
    unknown here                  written by a newer Fleetward: ``LedgerNewer``, nothing is touched

Entries never change: a revision may add tables, columns and indices beside the leaves, and fill them from
them. ``env.py`` is what Alembic runs; with it the ``alembic`` command needs a configuration of one line.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from runtime.ledger.errors import LedgerNewer

if TYPE_CHECKING:
    from alembic.config import Config

REVISIONS = ("0001", "0002")
HEAD = REVISIONS[-1]
VERSION_TABLE = "alembic_version"

_VERSION = text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
_one_at_a_time = threading.Lock()  # Alembic keeps its context in a module


def upgrade(connection: Connection, url: str) -> None:
    """Bring the tables to ``HEAD`` in the connection's transaction. Raises ``LedgerNewer``."""
    require_known(connection, url)
    if version_of(connection) != HEAD:
        from alembic import command

        config = config_of(connection)
        with _one_at_a_time:
            command.upgrade(config, HEAD)


def require_known(connection: Connection, url: str) -> None:
    """Refuse tables of a revision that this code does not know. Raises ``LedgerNewer``."""
    version = version_of(connection)
    if version is not None and version not in REVISIONS:
        raise LedgerNewer(url, f"its tables have revision {version}, written by a newer version; known here: {HEAD}")


def config_of(connection: Connection) -> Config:
    """Alembic's view of these revisions, on this connection."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def version_of(connection: Connection) -> str | None:
    """The revision that the tables have; None before there were migrations, or tables."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(_VERSION).scalar_one_or_none()
