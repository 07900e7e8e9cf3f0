"""Alembic environment of the CJ Assessment database."""

from cj_assessment.adapters.postgres.tables import metadata
from service_kit.storage.migration_env import run_migrations

run_migrations(metadata)
