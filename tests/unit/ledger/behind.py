"""A ledger's database behind the ledger's back, in one dialect of SQL: ``?`` for a value."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import psycopg
from sqlalchemy.engine import make_url


class Behind:
    """One connection of the bare driver; each statement is its own transaction unless one was begun."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.kind = parsed.get_backend_name()
        self._connection: Any
        if self.kind == "sqlite":
            self._connection = sqlite3.connect(str(parsed.database), isolation_level=None, check_same_thread=False)
        else:
            plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
            self._connection = psycopg.connect(plain, autocommit=True)

    def execute(self, statement: str, values: Sequence[object] = ()) -> Any:
        """The driver's cursor."""
        if self.kind == "postgresql":
            statement = statement.replace("?", "%s")
        return self._connection.execute(statement, tuple(values))

    def leaf(self, seq: int) -> bytes:
        """The bytes of an entry."""
        (leaf,) = self.execute("SELECT leaf FROM entries WHERE seq = ?", [seq]).fetchone()
        assert isinstance(leaf, bytes)
        return leaf

    def lock_writers_out(self) -> None:
        """Begin a transaction that no writer gets past, until ROLLBACK."""
        if self.kind == "sqlite":
            self.execute("BEGIN IMMEDIATE")
        else:
            self.execute("BEGIN")
            self.execute("SELECT * FROM leases FOR UPDATE")

    def close(self) -> None:
        """Roll back what is open."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
