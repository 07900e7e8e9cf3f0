"""Settings of the Batch Conductor service (environment: BATCH_CONDUCTOR_…)."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from service_kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """Every setting has a reader; the rules of pipelines are code, not settings."""

    model_config = SettingsConfigDict(env_prefix="BATCH_CONDUCTOR_", frozen=True, extra="ignore")

    http_port: int = Field(default=8103, gt=0, lt=65536)
    keep_batches: timedelta = Field(
        default=timedelta(days=365),
        ge=timedelta(0),
        description="How long phases, outcomes of essays and plans are kept after they were reported or made.",
    )


MIGRATIONS = Path(__file__).parent / "migrations"
