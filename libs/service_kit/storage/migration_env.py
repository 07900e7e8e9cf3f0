"""The Alembic environment that every service's ``migrations/env.py`` calls."""

from alembic import context
from sqlalchemy import MetaData


def run_migrations(target: MetaData) -> None:
    """Run the migrations on the connection that ``service_kit.storage.database.migrate`` opened."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=target)
    with context.begin_transaction():
        context.run_migrations()
