"""The log's own few statements, in the driver's SQL and without SQLAlchemy's statement objects.

    connection from the pool -> begin -> statements -> COMMIT, or what the pool does with it: ROLLBACK

An append is five statements, and a lone event pays for all of them: SQLAlchemy's results, events and transactions took
three times as long as SQLite did, fsync included. Pool, settings and dialect stay SQLAlchemy's, so that a connection is
the same whoever uses it, and what the dialect does (``do_execute``, ``do_commit``) happens through it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, cast

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.engine.interfaces import DBAPICursor, DBAPIModule


class Statements:
    """Statements of one transaction, on one cursor."""

    def __init__(self, engine: Engine, cursor: DBAPICursor) -> None:
        self.refusal: type[Exception] = module_of(engine).IntegrityError
        self._dialect = engine.dialect
        self._cursor = cursor

    def value(self, statement: str) -> Any:
        """The first column of the first row; None where there is no row."""
        self._dialect.do_execute(self._cursor, statement, ())
        row = self._cursor.fetchone()
        return None if row is None else row[0]

    def rows(self, statement: str, parameters: Sequence[Any]) -> Sequence[Any]:
        """All rows."""
        self._dialect.do_execute(self._cursor, statement, parameters)
        return self._cursor.fetchall()

    def insert(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Raises ``refusal`` when one of them breaks a rule of the table: an id that stands in it, say."""
        self._dialect.do_executemany(self._cursor, statement, cast("Any", rows))


@contextlib.contextmanager
def writing(engine: Engine, begin: str | None) -> Iterator[Statements]:
    """A write transaction: committed when the block ends, rolled back when it raises. Raises the driver's errors.

    ``begin`` is what begins it; None where the driver does that by itself.
    """
    with _connection(engine) as (connection, cursor):
        if begin is not None:
            engine.dialect.do_execute(cursor, begin, ())
        yield Statements(engine, cursor)
        engine.dialect.do_commit(connection)


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Statements]:
    """Statements that change nothing. Raises the driver's errors."""
    with _connection(engine) as (_, cursor):
        yield Statements(engine, cursor)


@contextlib.contextmanager
def _connection(engine: Engine) -> Iterator[tuple[PoolProxiedConnection, DBAPICursor]]:
    """A connection of the pool, which rolls back what is open when it comes back."""
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        try:
            yield connection, cursor
        finally:
            cursor.close()
    except module_of(engine).Error as error:
        if engine.dialect.is_disconnect(error, None, None):
            connection.invalidate(error)
        raise
    finally:
        connection.close()


def module_of(engine: Engine) -> DBAPIModule:
    """The driver (PEP 249): ``sqlite3`` or ``psycopg``."""
    module = engine.dialect.dbapi
    assert module is not None  # noqa: S101 - an engine that was created has loaded its driver
    return module
