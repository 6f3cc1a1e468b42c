"""What Alembic runs for each command. There is no offline mode: ``migrate`` brings the connection."""

from __future__ import annotations

from alembic import context

from sfu.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a table by making another one.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
