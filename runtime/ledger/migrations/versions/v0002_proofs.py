"""Tables beside the log: tiles of its tree, checkpoints, the writer's lease, snapshots."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text

revision = "0002"
down_revision = "0001"

NUMBER = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Make the tables, unless the ledger was written before there were migrations."""
    op.create_table(
        "tiles",
        Column("level", NUMBER, primary_key=True, autoincrement=False),
        Column("position", NUMBER, primary_key=True, autoincrement=False),
        Column("hashes", LargeBinary, nullable=False),
        sqlite_strict=True,
        if_not_exists=True,
    )
    op.create_table(
        "checkpoints",
        Column("size", NUMBER, primary_key=True, autoincrement=False),
        Column("time", Text, nullable=False),
        Column("root", LargeBinary, nullable=False),
        Column("note", LargeBinary, nullable=False),
        sqlite_strict=True,
        if_not_exists=True,
    )
    op.create_table(
        "leases",
        Column("name", Text, primary_key=True),
        Column("epoch", NUMBER, nullable=False),
        Column("holder", Text, nullable=False),
        Column("expires", Text, nullable=False),
        sqlite_strict=True,
        if_not_exists=True,
    )
    op.create_table(
        "snapshots",
        Column("size", NUMBER, primary_key=True, autoincrement=False),
        Column("root", LargeBinary, nullable=False),
        Column("format", Text, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("state", LargeBinary, nullable=False),
        sqlite_strict=True,
        if_not_exists=True,
    )
