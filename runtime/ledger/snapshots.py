r"""States folded so far, kept beside the entries that they were folded from: links of a chain, each under a MAC.

A link holds what changed since the link before it, so that every beginning of the chain is a state too. It names the
size and the Merkle root that it stands for, and the code that made it; its digest is

    HMAC-SHA-256(secret, "fleetward snapshot\n" || digest of the link before || format || size || root || content)

with lengths before each part. A state is believed without folding the entries again, so whoever may change the table
must not be able to make one: the secret is not in the database.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import delete, insert, select

from runtime.ledger.database import Database
from runtime.ledger.schema import SNAPSHOTS

FIRST = bytes(32)
"""Stands for the digest before the first link."""

_LEVEL = 1  # zlib's fastest: a tenth of the size already


class Link(NamedTuple):
    """One row of the table."""

    size: int
    root: bytes
    format: str
    digest: bytes
    state: bytes

    @classmethod
    def sealed(cls, content: bytes, *, size: int, root: bytes, made_by: str, before: bytes, secret: bytes) -> Link:
        """The link after the one with digest ``before``; ``content`` is compressed."""
        state = zlib.compress(content, _LEVEL)
        return cls(size, root, made_by, _digest(secret, before, made_by, size, root, state), state)

    def follows(self, before: bytes, secret: bytes) -> bool:
        """Whether it is whole, made by who knows the secret, and comes after the link with this digest."""
        expected = _digest(secret, before, self.format, self.size, self.root, self.state)
        return hmac.compare_digest(expected, self.digest)

    def content(self) -> bytes:
        """What was sealed."""
        return zlib.decompress(self.state)


def links(database: Database) -> Iterator[Link]:
    """The stored links, smallest size first, each read when its turn comes."""
    size = -1
    while True:
        query = select(SNAPSHOTS).where(SNAPSHOTS.c.size > size).order_by(SNAPSHOTS.c.size).limit(1)
        with database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return
        yield Link(row.size, row.root, row.format, row.digest, row.state)
        size = row.size


def add(database: Database, link: Link) -> None:
    """Store a link after those that are there, one transaction long."""
    with database.writing() as connection:
        connection.execute(insert(SNAPSHOTS), link._asdict())


def replace_all(database: Database, link: Link) -> None:
    """Store a link that stands for itself, and drop those before it."""
    with database.writing() as connection:
        connection.execute(delete(SNAPSHOTS))
        connection.execute(insert(SNAPSHOTS), link._asdict())


def drop(database: Database, beyond: int) -> None:
    """Drop all links of a larger size."""
    with database.writing() as connection:
        connection.execute(delete(SNAPSHOTS).where(SNAPSHOTS.c.size > beyond))


def _digest(secret: bytes, before: bytes, made_by: str, size: int, root: bytes, state: bytes) -> bytes:
    mac = hmac.new(secret, b"fleetward snapshot\n", hashlib.sha256)
    for part in (before, made_by.encode(), str(size).encode(), root, state):
        mac.update(len(part).to_bytes(8, "big") + part)
    return mac.digest()
