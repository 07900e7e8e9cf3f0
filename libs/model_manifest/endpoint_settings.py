"""What the endpoints file may say: its schema."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from event_contracts import OutputVerbosity, ReasoningEffort
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from model_manifest.model import REGION_PATTERN, NoReasoning, PromptCaching, StructuredOutput
from model_manifest.own_price import Factor, OwnPrice
from model_manifest.provider_name import ProviderName

MAX_ENDPOINTS: Final = 50
MAX_MODELS: Final = 200
SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MINUTES_PER_DAY: Final = 1_440

EndpointKind = Literal["openai", "openai_chat", "anthropic", "google", "openrouter"]
"""What an endpoint speaks: OpenAI's Responses API, its chat completions, Anthropic's Messages API, Google's
generateContent, OpenRouter's chat completions."""

VENDOR_HOSTS: Final[Mapping[str, str]] = {
    "openai": "openai.com",
    "google": "generativelanguage.googleapis.com",
    "openrouter": "openrouter.ai",
}
"""Whose own fields may be sent: an endpoint elsewhere gets the dialect without them."""


def is_host_of(host: str, domain: str) -> bool:
    """True for the domain itself and for every host below it."""
    return host == domain or host.endswith(f".{domain}")


VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,127}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,500}$")]
Note = Annotated[str, StringConstraints(min_length=1, max_length=300)]
ModelId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]
Whole = Annotated[int, Field(gt=0, le=1_000_000_000_000)]


class _Strict(BaseModel):
    """A misspelt key is an error, not an ignored one."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class EndpointLimits(_Strict):
    """What the account may use, by the minute or by the day; a day's allowance is used evenly over the day."""

    requests_per_minute: Whole | None = None
    requests_per_day: Whole | None = None
    input_tokens_per_minute: Whole | None = None
    output_tokens_per_minute: Whole | None = None
    tokens_per_minute: Whole | None = None
    tokens_per_day: Whole | None = None
    concurrency: Annotated[int, Field(gt=0, le=10_000)] | None = None

    @property
    def requests(self) -> float | None:
        """Requests per minute, as the tighter of the two says."""
        return _tighter(self.requests_per_minute, self.requests_per_day)

    @property
    def tokens(self) -> float | None:
        """Tokens per minute, input and output together, as the tighter of the two says."""
        return _tighter(self.tokens_per_minute, self.tokens_per_day)


class EndpointModel(_Strict):
    """A model of an endpoint: one of the manifest's (``like``), or one that is described here.

    What is given here comes before what ``like`` says. ``price_list`` names the entry of genai-prices that its price is
    in, as ``vendor/id``; without it, ``price``, ``like`` or ``free`` the price is unknown, and no budget starts. ``id``
    is what the endpoint calls it: a deployment's name, an inference profile. ``*`` is whatever the server was started
    with.
    """

    id: ModelId
    like: ModelId | None = None
    name: Note | None = None
    default: bool = False
    free: bool = False
    price: OwnPrice | None = None
    price_list: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,60}/[!-~]{1,200}$")] | None = None
    context_window: Whole | None = None
    output_limit: Whole | None = None
    structured_output: StructuredOutput | None = None
    temperature: tuple[float, float] | None = None
    reasoning_efforts: Annotated[tuple[ReasoningEffort, ...], Field(max_length=4)] | None = None
    default_effort: ReasoningEffort | None = None
    no_reasoning: NoReasoning | None = None
    verbosities: Annotated[tuple[OutputVerbosity, ...], Field(max_length=3)] | None = None
    prompt_caching: PromptCaching | None = None
    token_probabilities: bool | None = None
    batch_api: bool = False

    @model_validator(mode="after")
    def _has_one_price(self) -> Self:
        if sum((self.free, self.price is not None, self.price_list is not None)) > 1:
            raise ValueError("free, price and price_list contradict each other: keep one")
        return self


class NamedEndpoint(_Strict):
    """An address at which models are reached.

    ``key_variable`` names the environment variable that holds the key; without it, LLM_PROVIDER_ENDPOINT_<NAME>_KEY.
    ``key_header`` is the header that carries it where it is another one than the dialect's own; ``authorization`` makes
    it a bearer token. ``token``: ``google`` asks Google's library for one and renews it. ``header_variables`` are
    headers whose values are in the environment. ``price_factor`` multiplies every price. ``tokens_field`` and
    ``json_object_schema`` are for chat completions: how the limit on the answer is named, and whether the server takes
    a schema with ``json_object`` alone, as llama-cpp-python does.
    """

    kind: EndpointKind
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{1,500}$")] | None = None
    key_variable: VariableName | None = None
    key_header: HeaderName | None = None
    needs_key: bool = True
    token: Literal["google"] | None = None
    headers: Annotated[dict[HeaderName, HeaderValue], Field(max_length=20)] = Field(default_factory=dict)
    header_variables: Annotated[dict[HeaderName, VariableName], Field(max_length=20)] = Field(
        default_factory=dict
    )
    region: Annotated[str, StringConstraints(pattern=REGION_PATTERN)] | None = None
    retention: Note | None = None
    price_factor: Factor = Decimal(1)
    limits: EndpointLimits = EndpointLimits()
    tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    json_object_schema: bool = False
    models: Annotated[tuple[EndpointModel, ...], Field(min_length=1, max_length=MAX_MODELS)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.token is not None and (self.key_variable or self.key_header):
            raise ValueError("token and a key contradict each other: keep one")
        ids = [model.id for model in self.models]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise ValueError(f"models: {', '.join(twice)} is given twice")
        if sum(model.default for model in self.models) > 1:
            raise ValueError("models: only one can be the default")
        if any(model.batch_api for model in self.models) and self.kind in ("openai_chat", "openrouter"):
            raise ValueError(f"models: kind {self.kind} has no batch API")
        return self


class EndpointsFile(_Strict):
    """The endpoints of an installation, by the names that they get as providers."""

    version: Literal[1] = 1
    endpoints: Annotated[dict[ProviderName, NamedEndpoint], Field(max_length=MAX_ENDPOINTS)] = Field(
        default_factory=dict
    )


def endpoints_schema() -> dict[str, JsonValue]:
    """The JSON Schema (2020-12) of the endpoints file."""
    return {"$schema": SCHEMA_DIALECT, **EndpointsFile.model_json_schema()}


def _tighter(per_minute: int | None, per_day: int | None) -> float | None:
    each = [per_minute, None if per_day is None else per_day / MINUTES_PER_DAY]
    return min((one for one in each if one is not None), default=None)
