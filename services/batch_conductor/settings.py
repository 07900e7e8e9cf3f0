"""Settings of the Batch Conductor service (environment: BATCH_CONDUCTOR_…)."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from service_kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """Every setting has a reader; the rules of pipelines are code, not settings."""

    model_config = SettingsConfigDict(env_prefix="BATCH_CONDUCTOR_", frozen=True, extra="ignore")

    http_port: int = Field(default=8103, gt=0, lt=65536)


MIGRATIONS = Path(__file__).parent / "migrations"
