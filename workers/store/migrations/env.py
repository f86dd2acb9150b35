"""Alembic's entry: the connection is handed in by `workers.store.database.migrate`, inside its transaction."""

from __future__ import annotations

from alembic import context

from workers.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
