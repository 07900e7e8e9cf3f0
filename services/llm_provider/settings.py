"""Settings of the LLM Provider service (environment: LLM_PROVIDER_…)."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from event_contracts import Region
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import SettingsConfigDict
from service_kit.settings import ServiceSettings


class LimitOverrides(BaseModel):
    """Limits of an account; those left out come from the manifest, and then from the vendor's headers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: float | None = Field(default=None, gt=0, description="Calls per minute.")
    input_tokens_per_minute: float | None = Field(
        default=None, gt=0, description="Tokens of prompts per minute."
    )
    output_tokens_per_minute: float | None = Field(
        default=None, gt=0, description="Tokens of answers per minute."
    )
    tokens_per_minute: float | None = Field(
        default=None, gt=0, description="Input and output tokens together, per minute."
    )
    concurrency: int | None = Field(default=None, gt=0, description="Maximum number of concurrent calls.")


class Settings(ServiceSettings):
    """Every setting has a reader."""

    model_config = SettingsConfigDict(env_prefix="LLM_PROVIDER_", frozen=True, extra="ignore")

    http_port: int = Field(default=8102, gt=0, lt=65536, description="Port of the HTTP API.")
    default_provider: str = Field(
        default="mock", description="The provider that judges when a request names none."
    )
    max_queue_size: int = Field(default=50_000, gt=0, description="Requests in the queue before it is full.")
    concurrency: int = Field(
        default=64, gt=0, description="Maximum number of concurrent calls of one replica to one provider."
    )
    call_timeout: timedelta = Field(
        default=timedelta(seconds=90), gt=timedelta(0), description="Time limit of one call."
    )
    max_attempts: int = Field(
        default=3,
        gt=0,
        description="Maximum number of calls for one request that are or may be billed, whatever fails.",
    )
    outage_timeout: timedelta = Field(
        default=timedelta(minutes=3),
        gt=timedelta(0),
        description="How long requests wait for a vendor that answers no call before they end with an error.",
    )
    first_retry_delay: timedelta = Field(
        default=timedelta(seconds=1),
        ge=timedelta(0),
        description="Delay after a first failed call; it doubles with each.",
    )
    lease_duration: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="A worker that has not renewed its leases for this long is presumed dead.",
    )
    drain_timeout: timedelta = Field(
        default=timedelta(seconds=5),
        ge=timedelta(0),
        description="How long a stopping service waits for calls that are in progress.",
    )
    expires_after: timedelta = Field(
        default=timedelta(minutes=12),
        gt=timedelta(0),
        description="A request without a verdict ends with an error after this.",
    )
    relaxed_expires_after: timedelta = Field(
        default=timedelta(hours=26),
        gt=timedelta(0),
        description="The same for relaxed requests; vendors take up to a day.",
    )
    prompt_retention: timedelta = Field(
        default=timedelta(days=7),
        ge=timedelta(0),
        description="How long prompts are kept after their request has ended.",
    )
    answer_retention: timedelta = Field(
        default=timedelta(days=90),
        ge=timedelta(0),
        description="How long answers with their reasons, and what callers sent besides the prompt, are kept.",
    )
    request_retention: timedelta = Field(
        default=timedelta(days=365),
        ge=timedelta(0),
        description="How long requests and their calls are kept, with ids, costs and winners.",
    )
    spending_retention: timedelta = Field(
        default=timedelta(days=2557),
        ge=timedelta(0),
        description="How long the sums of costs by day, model, user and batch are kept: seven years.",
    )
    publish_call_events: bool = Field(
        default=True, description="Publish request-started, -completed, failure and cost-tracking events."
    )
    limits: dict[str, LimitOverrides] = Field(
        default_factory=dict,
        description='Your own limits by provider or provider/model: {"openai": {"requests_per_minute": 500}}.',
    )
    limit_share: float = Field(default=0.975, gt=0, le=1, description="Target share of a vendor's limits.")
    breaker_failures: int = Field(
        default=5, gt=0, description="Failures of a vendor in a row that open its circuit breaker."
    )
    breaker_open_for: timedelta = Field(
        default=timedelta(seconds=5),
        gt=timedelta(0),
        description="How long the breaker stays open; it doubles until the vendor answers.",
    )
    daily_cost_limit_usd: Decimal | None = Field(
        default=None, gt=0, description="Spending at one provider in a day (UTC) that raises an alert."
    )
    monthly_cost_limit_usd: Decimal | None = Field(default=None, gt=0, description="The same in a month.")
    endpoints_file: Path | None = Field(
        default=None,
        description="Named endpoints (TOML): further addresses of models, each a provider by its name. Every service"
        " and command reads it; see how-to/add-an-endpoint.md.",
    )
    vendor_regions: dict[str, Region] = Field(
        default_factory=dict,
        description="Where providers' endpoints process what they are sent, for those that the manifest does not know: "
        '{"openai_compatible": "eu"}.',
    )
    allowed_regions: tuple[Region, ...] | None = Field(
        default=None,
        min_length=1,
        description='Where texts may be sent: ["eu"]. Without it, wherever judges are; judges of the installation '
        "itself are always allowed.",
    )
    batch_size: int = Field(
        default=2_000, gt=0, le=50_000, description="Maximum number of relaxed requests in one batch job."
    )
    batch_bytes: int = Field(
        default=100_000_000,
        gt=0,
        le=190_000_000,
        description="Maximum size of one batch job in bytes; OpenAI takes 200 MB, Anthropic 256 MB, Google 2 GB.",
    )
    batch_collect_for: timedelta = Field(
        default=timedelta(minutes=1),
        gt=timedelta(0),
        description="A smaller batch job is submitted after this.",
    )
    batch_poll_interval: timedelta = Field(
        default=timedelta(minutes=1),
        gt=timedelta(0),
        description="How often a vendor is asked about a batch job.",
    )
    vendor_settings: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,
        description="Settings of providers by their names without LLM_PROVIDER_, for services assembled in code.",
    )

    @model_validator(mode="before")
    @classmethod
    def _collect_vendor_settings(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Each provider has its own settings (see ``adapters/vendors``): what is not named here is for them."""
        own = {name: value for name, value in values.items() if name in cls.model_fields}
        vendors = {name: value for name, value in values.items() if name not in cls.model_fields}
        return {**own, "vendor_settings": {**vendors, **own.get("vendor_settings", {})}}


MIGRATIONS = Path(__file__).parent / "migrations"
OLDEST_SCHEMA = "0005"
"""The oldest revision that this code serves on: older than the newest, see decision 69."""
