"""Settings of the Batch Conductor service (environment: BATCH_CONDUCTOR_…)."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from service_kit.settings import ServiceSettings

PIPELINES: Final = Path(__file__).parent / "pipelines.yaml"


class Settings(ServiceSettings):
    """Every setting has a reader; the rules of pipelines are a file of their own."""

    model_config = SettingsConfigDict(env_prefix="BATCH_CONDUCTOR_", frozen=True, extra="ignore")

    http_port: int = Field(default=8103, gt=0, lt=65536, description="Port of the HTTP API.")
    kafka_consumer_group: str = Field(
        default="bcs-event-consumer",
        min_length=1,
        description="Consumer group that reads phase outcomes; all replicas share it. The platform's name.",
    )
    pipelines_file: Path | None = Field(
        default=None, description="Rules of pipelines instead of the service's own pipelines.yaml."
    )
    content_service_url: str | None = Field(
        default=None,
        description="Content store in which prompts are looked up; without it, that of CJ Assessment.",
    )
    cj_assessment_url: str | None = Field(
        default=None, description="CJ Assessment, which knows the prompts and anchors of assignments."
    )
    llm_provider_url: str | None = Field(
        default=None, description="LLM Provider, which knows what a batch has cost."
    )
    batch_retention: timedelta = Field(
        default=timedelta(days=365),
        ge=timedelta(0),
        description="How long phases, outcomes of essays, sizes and plans are kept after they were reported or made.",
    )


MIGRATIONS = Path(__file__).parent / "migrations"
OLDEST_SCHEMA = "0003"
"""The oldest revision that this code serves on: older than the newest, see decision 69."""
