"""Settings of the Batch Conductor service (environment: BATCH_CONDUCTOR_…)."""

from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from service_kit.settings import ServiceSettings

PIPELINES: Final = Path(__file__).parent / "pipelines.yaml"


class Settings(ServiceSettings):
    """Every setting has a reader; the rules of pipelines are a file of their own."""

    model_config = SettingsConfigDict(env_prefix="BATCH_CONDUCTOR_", frozen=True, extra="ignore")

    http_port: int = Field(default=8103, gt=0, lt=65536)
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
    cj_assessment_token: SecretStr | None = Field(
        default=None,
        description="Bearer token for reading the prompts of assignments there; without it, one is signed with "
        "jwt_secret.",
    )
    llm_provider_url: str | None = Field(
        default=None, description="LLM Provider, which knows what a batch has cost."
    )


MIGRATIONS = Path(__file__).parent / "migrations"
