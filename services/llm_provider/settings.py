"""Settings of the LLM Provider service (environment: LLM_PROVIDER_…)."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from event_contracts import LLMProvider
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict
from service_kit.settings import AdministeredSettings


class OwnLimits(BaseModel):
    """Limits of an account at a vendor; what is left out is the manifest's, and then what the vendor says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: float | None = Field(default=None, gt=0)
    input_tokens_per_minute: float | None = Field(default=None, gt=0)
    output_tokens_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0, description="Input and output together.")
    concurrency: int | None = Field(default=None, gt=0)


class Settings(AdministeredSettings):
    """Every setting has a reader."""

    model_config = SettingsConfigDict(env_prefix="LLM_PROVIDER_", frozen=True, extra="ignore")

    http_port: int = Field(default=8102, gt=0, lt=65536, description="Port of the HTTP API.")
    default_provider: LLMProvider = Field(
        default=LLMProvider.MOCK, description="Who judges when a request names nobody."
    )
    max_waiting: int = Field(default=50_000, gt=0, description="Requests in the queue before it is full.")
    concurrency: int = Field(
        default=64, gt=0, description="Calls at a time that one replica makes to one provider, at most."
    )
    call_timeout: timedelta = Field(
        default=timedelta(seconds=90), gt=timedelta(0), description="Patience with one call."
    )
    max_attempts: int = Field(default=5, gt=0, description="Calls for one request that may fail.")
    first_retry_delay: timedelta = Field(
        default=timedelta(seconds=1),
        ge=timedelta(0),
        description="Pause after a first failed call; it doubles with each.",
    )
    lease: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="A worker silent for so long is leased for dead, and its requests are judged by others.",
    )
    drain: timedelta = Field(
        default=timedelta(seconds=5),
        ge=timedelta(0),
        description="How long a stop waits for calls that are being made.",
    )
    expires_after: timedelta = Field(
        default=timedelta(minutes=12), gt=timedelta(0), description="After this a request ends with an error."
    )
    relaxed_expires_after: timedelta = Field(
        default=timedelta(hours=26),
        gt=timedelta(0),
        description="The same for relaxed requests; vendors take a day.",
    )
    keep_prompts: timedelta = Field(
        default=timedelta(days=7),
        ge=timedelta(0),
        description="How long prompts are kept after their request has ended.",
    )
    announce_calls: bool = Field(
        default=True, description="Publish request-started, -completed, failure and cost-tracking events."
    )
    limits: dict[str, OwnLimits] = Field(
        default_factory=dict,
        description='Your own limits by provider or provider/model: {"openai": {"requests_per_minute": 500}}.',
    )
    limit_share: float = Field(
        default=0.975, gt=0, le=1, description="Share of a vendor's limits that is aimed at."
    )
    breaker_failures: int = Field(
        default=5, gt=0, description="Failures of a vendor in a row after which it is left alone for a while."
    )
    breaker_open_for: timedelta = Field(
        default=timedelta(seconds=5),
        gt=timedelta(0),
        description="For how long; it doubles until the vendor answers.",
    )
    daily_cost_limit_usd: Decimal | None = Field(
        default=None, gt=0, description="Spending at one provider in a day (UTC) that raises an alert."
    )
    monthly_cost_limit_usd: Decimal | None = Field(default=None, gt=0, description="The same in a month.")
    batch_size: int = Field(
        default=2_000, gt=0, le=50_000, description="Relaxed requests in one batch job, at most."
    )
    batch_bytes: int = Field(
        default=100_000_000,
        gt=0,
        le=190_000_000,
        description="Bytes in one batch job, at most; OpenAI takes 200 MB, Anthropic 256 MB, Google 2 GB.",
    )
    batch_collect_for: timedelta = Field(
        default=timedelta(minutes=1),
        gt=timedelta(0),
        description="A smaller batch job is submitted after this.",
    )
    batch_poll_every: timedelta = Field(
        default=timedelta(minutes=1),
        gt=timedelta(0),
        description="How often a vendor is asked about a batch job.",
    )
    anthropic_api_key: SecretStr | None = Field(default=None, description="Key of an account at Anthropic.")
    anthropic_url: str | None = Field(default=None, description="Another address than the vendor's: a proxy.")
    openai_api_key: SecretStr | None = Field(default=None, description="Key of an account at OpenAI.")
    openai_url: str | None = Field(default=None, description="Another address than the vendor's: a proxy.")
    google_api_key: SecretStr | None = Field(default=None, description="Key of an account at Google.")
    google_url: str | None = Field(default=None, description="Another address than the vendor's: a proxy.")
    openrouter_api_key: SecretStr | None = Field(default=None, description="Key of an account at OpenRouter.")
    openrouter_url: str | None = Field(
        default=None, description="Another address than the vendor's: a proxy."
    )
    openai_compatible_url: str | None = Field(
        default=None, description="Base URL of a self-hosted server, up to and including /v1."
    )
    openai_compatible_key: SecretStr | None = Field(default=None, description="Its key, if it wants one.")
    openai_compatible_output: Literal["json_schema", "json_object_with_schema", "json_object", "prompt"] = (
        Field(
            default="json_schema",
            description="How it is held to the answer's form; llama-cpp-python wants json_object_with_schema.",
        )
    )
    replay_file: Path | None = Field(default=None, description="Recorded decisions for the replaying judge.")
    simulated_quality_file: Path | None = Field(
        default=None, description="What the simulated judge knows of texts."
    )
    simulated_noise: float = Field(default=1.0, gt=0, description="Scale of its logistic noise.")
    simulated_position_bias: float = Field(default=0.0, description="Its preference for the first essay.")
    simulated_latency_ms: float = Field(default=0.0, ge=0, description="Median time of a call.")
    simulated_failure_rate: float = Field(
        default=0.0, ge=0, le=1, description="Share of its calls that fail."
    )
    simulated_rate_limit_rate: float = Field(default=0.0, ge=0, le=1, description="That meet a rate limit.")
    simulated_malformed_rate: float = Field(
        default=0.0, ge=0, le=1, description="That are answered with no vote."
    )
    simulated_seed: int = Field(default=0, description="Another seed is another run.")
    simulated_input_price: Decimal = Field(
        default=Decimal(0), ge=0, description="US dollars a million tokens that it pretends to cost."
    )
    simulated_output_price: Decimal = Field(
        default=Decimal(0), ge=0, description="The same for what it writes."
    )

    @field_validator("limits")
    @classmethod
    def _limits_name_providers(cls, limits: dict[str, OwnLimits]) -> dict[str, OwnLimits]:
        unknown = sorted(name for name in limits if name.partition("/")[0] not in list(LLMProvider))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: start with one of {', '.join(LLMProvider)}")
        return limits


MIGRATIONS = Path(__file__).parent / "migrations"
