"""What Alembic runs: the revisions, in the transaction of the connection that it was given."""

from __future__ import annotations

from alembic import context

from runtime.ledger.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
