"""Settings of the CJ Assessment service (environment: CJ_ASSESSMENT_…)."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from event_contracts import Region
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from service_kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """Every setting has a reader; what a batch may override is a default here."""

    model_config = SettingsConfigDict(env_prefix="CJ_ASSESSMENT_", frozen=True, extra="ignore")

    http_port: int = Field(default=8101, gt=0, lt=65536, description="Port of the HTTP API.")
    kafka_consumer_group: str = Field(
        default="cj_assessment_consumer_group",
        min_length=1,
        description="Consumer group that reads requests and comparison results; all replicas share it. The "
        "platform's name.",
    )
    llm_provider_url: str = Field(description="Base URL of the LLM Provider service.")
    callback_transport: Literal["bus", "http"] = Field(
        default="bus", description="How comparison results come back."
    )
    callback_base_url: str | None = Field(
        default=None, description="This service's own base URL as the LLM Provider sees it; for http."
    )
    content_service_url: str | None = Field(
        default=None, description="An external content service; without it, texts are kept here."
    )
    content_timeout: timedelta = Field(
        default=timedelta(minutes=10), description="How long a batch waits for a content service."
    )
    default_provider: str = Field(description="Provider that judges when a request names none.")
    default_model: str | None = Field(default=None, description="Its model; the provider's default if unset.")
    simulated_input_price: Decimal = Field(
        default=Decimal(0),
        ge=0,
        description="As at the LLM Provider: what the simulated judge pretends to cost.",
    )
    simulated_output_price: Decimal = Field(
        default=Decimal(0),
        ge=0,
        description="Output price of the simulated judge, in US dollars per million tokens.",
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
    org_allowed_regions: dict[str, tuple[Region, ...]] = Field(
        default_factory=dict, description='The same for single organisations: {"school-1": ["eu"]}.'
    )
    target_reliability: float = Field(
        default=0.90, gt=0, lt=1, description="EB reliability at which judging may stop."
    )
    comparisons_per_essay: int = Field(
        default=30,
        gt=0,
        description="Comparisons to spend where a request names no budget: half of (this × number of essays).",
    )
    min_comparisons_per_essay: int = Field(
        default=4, gt=0, description="Minimum number of comparisons per essay before judging may stop."
    )
    batch_deadline: timedelta = Field(
        default=timedelta(hours=24), description="Time after which a batch ends with what has been judged."
    )
    relaxed_batch_deadline: timedelta = Field(
        default=timedelta(days=4),
        description="The same for relaxed batches: three jobs of a vendor's batch API, each of up to a day.",
    )
    max_attempts: int = Field(
        default=2,
        gt=0,
        description="Attempts at one comparison; another is made only where the LLM Provider has lost a request.",
    )
    answer_timeout: timedelta = Field(
        default=timedelta(minutes=15),
        description="Time for an answer, from the request's acceptance; longer than the LLM Provider may take.",
    )
    relaxed_answer_timeout: timedelta = Field(
        default=timedelta(hours=28),
        description="The same for relaxed batches; longer than the LLM Provider's relaxed_expires_after.",
    )
    straggler_timeout: timedelta = Field(
        default=timedelta(seconds=20), description="How long a round waits for its last answers."
    )
    min_straggler_timeout: timedelta = Field(
        default=timedelta(seconds=2.4),
        description="The minimum for judges that state margins, whose large rounds otherwise wait 1.2 times the usual "
        "time of an answer. Set it to straggler_timeout to make runs with a fast judge exactly repeatable.",
    )
    max_failed_share: float = Field(
        default=0.5, gt=0, lt=1, description="Failed comparisons beyond this share end the batch."
    )
    max_grade_change_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="The target counts as reached only when the expected share of essays whose grade more judging "
        "would change is at most this.",
    )
    max_essay_characters: int = Field(
        default=60_000, gt=0, description="Maximum length of an essay, in characters."
    )
    text_retention: timedelta = Field(
        default=timedelta(days=90),
        ge=timedelta(0),
        description="How long essays, prompts and judges' reasons are kept after their batch has ended, and texts that "
        "no batch refers to after they were posted.",
    )
    result_retention: timedelta | None = Field(
        default=None,
        ge=timedelta(0),
        description="How long scores, grades and comparisons are kept after their batch has ended; without it, until "
        "the batch is to be forgotten.",
    )
    erasure_retention: timedelta = Field(
        default=timedelta(days=1826),
        ge=timedelta(0),
        description="Retention of erasure records (which batch was forgotten, when and by whom): five years.",
    )
    audit_retention: timedelta = Field(
        default=timedelta(days=1826),
        ge=timedelta(0),
        description="Retention of audit entries (what administrators have changed, with judge instructions before "
        "and after): five years.",
    )


MIGRATIONS = Path(__file__).parent / "migrations"
OLDEST_SCHEMA = "0011"
"""The oldest revision that this code serves on: older than the newest, see decision 69."""
