"""Alembic environment of the Batch Conductor database."""

from batch_conductor.adapters.postgres.tables import metadata
from service_kit.storage.migration_env import run_migrations

run_migrations(metadata)
