"""The ledger's tables, alike on SQLite and PostgreSQL; ``migrations`` make them.

entries       the log itself: everything else can be computed again from it, except who signed what
tiles         full tiles of the Merkle tree (C2SP tlog-tiles, 256 hashes wide), so that a proof reads few rows
checkpoints   signed heads of the tree as they were published (C2SP tlog-checkpoint)
leases        who may write, and under which epoch: a writer that lost its lease is fenced off
snapshots     states folded so far, to start from; checked against the log, and dropped when they do not fit
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

METADATA = MetaData()

_NUMBER = BigInteger().with_variant(Integer, "sqlite")
# Byte order: a unique index in a locale's order breaks in silence when the system's locale data is renewed.
_ID = Text().with_variant(Text(collation="C"), "postgresql")

# leaf stands last: reading the other columns of a row then never follows a long leaf's overflow pages.
ENTRIES = Table(
    "entries",
    METADATA,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("event_id", _ID, nullable=False, unique=True),
    Column("time", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    sqlite_strict=True,
)

# ``position`` counts full tiles of a level from 0; ``hashes`` are its 256 hashes of 32 bytes.
TILES = Table(
    "tiles",
    METADATA,
    Column("level", _NUMBER, primary_key=True, autoincrement=False),
    Column("position", _NUMBER, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
    sqlite_strict=True,
)

# ``note`` is the whole signed note, signatures of witnesses included as they come in.
CHECKPOINTS = Table(
    "checkpoints",
    METADATA,
    Column("size", _NUMBER, primary_key=True, autoincrement=False),
    Column("time", Text, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
    sqlite_strict=True,
)

LEASES = Table(
    "leases",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("epoch", _NUMBER, nullable=False),
    Column("holder", Text, nullable=False),
    Column("expires", Text, nullable=False),
    sqlite_strict=True,
)

SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("size", _NUMBER, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("format", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("state", LargeBinary, nullable=False),
    sqlite_strict=True,
)
