"""Alembic environment of the LLM Provider database."""

from llm_provider.adapters.postgres.tables import metadata
from service_kit.storage.migration_env import run_migrations

run_migrations(metadata)
