"""The log itself."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table, unless the ledger was written before there were migrations."""
    op.create_table(
        "entries",
        Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
        Column("event_id", Text().with_variant(Text(collation="C"), "postgresql"), nullable=False, unique=True),
        Column("time", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("leaf_hash", LargeBinary, nullable=False),
        Column("leaf", LargeBinary, nullable=False),
        sqlite_strict=True,
        if_not_exists=True,
    )
