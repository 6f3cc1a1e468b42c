"""What Alembic runs for each command. There is no offline mode: ``migrate`` brings the connection."""

from __future__ import annotations

from alembic import context

from sfu.store import outbox_tables
from sfu.store.tables import metadata

__all__ = ["outbox_tables"]  # have to be known, too
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a table by making another one.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
