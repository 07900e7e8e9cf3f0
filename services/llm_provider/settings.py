"""Settings of the LLM Provider service (environment: LLM_PROVIDER_…)."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from event_contracts import LLMProvider
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from service_kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """Every setting has a reader."""

    model_config = SettingsConfigDict(env_prefix="LLM_PROVIDER_", frozen=True, extra="ignore")

    http_port: int = Field(default=8102, gt=0, lt=65536)
    default_provider: LLMProvider = Field(
        default=LLMProvider.MOCK, description="Who judges when a request names nobody."
    )
    max_waiting: int = Field(default=50_000, gt=0, description="Requests in the queue before it is full.")
    concurrency: int = Field(default=64, gt=0, description="Calls at a time to one provider, at most.")
    call_timeout: timedelta = Field(default=timedelta(seconds=90), description="Patience with one call.")
    max_attempts: int = Field(default=5, gt=0, description="Calls for one request.")
    first_pause: timedelta = Field(
        default=timedelta(seconds=1), description="Pause after a first failed call; it doubles with each."
    )
    expires_after: timedelta = Field(
        default=timedelta(minutes=12), description="After this a request ends with an error."
    )
    keep_prompts: timedelta = Field(
        default=timedelta(days=7), description="How long prompts are kept after their request has ended."
    )
    announce_calls: bool = Field(
        default=True, description="Publish request-completed and cost-tracking events."
    )
    openai_compatible_url: str | None = Field(
        default=None, description="Base URL of a self-hosted server, up to and including /v1."
    )
    openai_compatible_key: SecretStr | None = Field(default=None, description="Its key, if it wants one.")
    replay_file: Path | None = Field(default=None, description="Recorded decisions for the replaying judge.")
    simulated_quality_file: Path | None = Field(
        default=None, description="What the simulated judge knows of texts."
    )
    simulated_noise: float = Field(default=1.0, gt=0, description="Scale of its logistic noise.")
    simulated_position_bias: float = Field(default=0.0, description="Its preference for the first essay.")
    simulated_latency_ms: float = Field(default=0.0, ge=0, description="Median time of a call.")
    simulated_failure_rate: float = Field(default=0.0, ge=0, le=1)
    simulated_rate_limit_rate: float = Field(default=0.0, ge=0, le=1)
    simulated_malformed_rate: float = Field(default=0.0, ge=0, le=1)
    simulated_seed: int = 0
    simulated_input_price: Decimal = Field(
        default=Decimal(0), ge=0, description="US dollars a million tokens that it pretends to cost."
    )
    simulated_output_price: Decimal = Field(default=Decimal(0), ge=0)


MIGRATIONS = Path(__file__).parent / "migrations"
