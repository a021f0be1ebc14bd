"""What is to be told, on disk: how far the ledger was read and what has not arrived yet, moved on in one transaction.

    entry read  ->  INSERT its messages, position = seq + 1, COMMIT     (killed before: read again, written once)
    delivered   ->  DELETE the message, COMMIT                          (killed before: delivered again, by its id)
    failed      ->  attempts + 1, due later; after the last attempt it is dead: kept, listed, sent again on demand

A message is one entry for one channel; ``digest`` is when its digest closes, and 0 for what goes out by itself.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS position (only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    id TEXT NOT NULL, channel TEXT NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL,
    digest REAL NOT NULL, due REAL NOT NULL, attempts INTEGER NOT NULL, dead INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (channel, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_due ON messages (channel, dead, due);
"""
_FIELDS = "id, channel, seq, event, digest, due, attempts, dead, reason"


@dataclass(frozen=True, slots=True)
class Message:
    """A message that waits, or is dead. Times are seconds since 1970."""

    id: str
    channel: str
    seq: int
    event: dict[str, Any]
    digest: float
    due: float
    attempts: int = 0
    dead: bool = False
    reason: str = ""


class Outbox:
    """One file. Safe to use from many threads, and for one notifier and any number of command lines."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Nothing more is asked of it."""
        self._connection.close()

    def position(self) -> int | None:
        """The next entry to read; none before the first start."""
        with self._lock:
            row = self._connection.execute("SELECT seq FROM position").fetchone()
        return None if row is None else int(row[0])

    def take(self, messages: Iterable[Message], position: int) -> None:
        """What entries led to, and how far they were read. A message that is there already stays as it is."""
        with self._writing() as connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO messages ({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                [_row(each) for each in messages],
            )
            connection.execute("INSERT OR REPLACE INTO position (only, seq) VALUES (1, ?)", (position,))

    def due(self, channel: str, now: float, limit: int) -> list[Message]:
        """The channel's messages whose time has come, in the order of the ledger; of a digest all that it has."""
        query = f"SELECT {_FIELDS} FROM messages WHERE channel = ? AND dead = 0 AND due <= ? ORDER BY seq LIMIT ?"  # noqa: S608
        return self._found(query, (channel, now, limit))

    def dead(self) -> list[Message]:
        """Messages that were given up, oldest first."""
        return self._found(f"SELECT {_FIELDS} FROM messages WHERE dead = 1 ORDER BY seq, channel", ())  # noqa: S608

    def waiting(self) -> list[Message]:
        """Messages that are still to be delivered, oldest first."""
        return self._found(f"SELECT {_FIELDS} FROM messages WHERE dead = 0 ORDER BY seq, channel", ())  # noqa: S608

    def delivered(self, messages: Iterable[Message]) -> None:
        """They have arrived."""
        with self._writing() as connection:
            names = [(each.channel, each.id) for each in messages]
            connection.executemany("DELETE FROM messages WHERE channel = ? AND id = ?", names)

    def failed(self, messages: Iterable[Message], reason: str, due: float | None) -> None:
        """They have not, and are tried again at ``due``; or never, by themselves."""
        with self._writing() as connection:
            connection.executemany(
                "UPDATE messages SET attempts = attempts + 1, reason = ?, due = ?, dead = ? "
                "WHERE channel = ? AND id = ?",
                [
                    (reason, each.due if due is None else due, int(due is None), each.channel, each.id)
                    for each in messages
                ],
            )

    def revive(self, now: float, ids: Iterable[str] | None = None) -> int:
        """Dead messages are due now, those of these ids or all; how many."""
        with self._writing() as connection:
            if ids is None:
                query = "UPDATE messages SET dead = 0, attempts = 0, due = ? WHERE dead = 1"
                return connection.execute(query, (now,)).rowcount
            query = "UPDATE messages SET dead = 0, attempts = 0, due = ? WHERE dead = 1 AND id = ?"
            return sum(connection.execute(query, (now, each)).rowcount for each in ids)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _found(self, query: str, values: tuple[object, ...]) -> list[Message]:
        with self._lock:
            rows = self._connection.execute(query, values).fetchall()
        return [Message(r[0], r[1], r[2], json.loads(r[3]), r[4], r[5], r[6], bool(r[7]), r[8]) for r in rows]


def _row(message: Message) -> tuple[object, ...]:
    event = json.dumps(message.event, ensure_ascii=False, separators=(",", ":"))
    return (
        message.id,
        message.channel,
        message.seq,
        event,
        message.digest,
        message.due,
        message.attempts,
        int(message.dead),
        message.reason,
    )
