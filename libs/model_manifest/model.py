"""What the manifest says of one model: what it can do, how it is told, until when, and where its price is."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from event_contracts import OutputVerbosity, ReasoningEffort
from pydantic import BaseModel, ConfigDict, Field, model_validator

from model_manifest.own_price import Factor, OwnPrice
from model_manifest.provider_name import ProviderName

ANY_MODEL = "*"
"""The id of an entry that stands for every model that a server may have been started with."""

StructuredOutput = Literal["json_schema", "tool", "json_object", "prompt"]

PromptCaching = Literal["breakpoints", "automatic"]
"""How a vendor keeps the beginning of a prompt: up to where it is told to, billing what it writes, or by itself."""

NoReasoning = Literal["effort_none", "thinking_disabled", "thinking_between_tools", "budget_zero", "left_out"]
"""How a vendor is told not to reason at all.

``effort_none``: the effort ``none``. ``thinking_disabled``, ``thinking_between_tools``: a ``thinking`` of that
type. ``budget_zero``: a thinking budget of 0. ``left_out``: by sending nothing, as it only reasons when asked.
"""


class Limits(BaseModel):
    """Where the LLM Provider starts before a vendor's headers have told it an account's real limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: float = Field(gt=0)
    input_tokens_per_minute: float = Field(gt=0)
    output_tokens_per_minute: float = Field(gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    concurrency: int = Field(gt=0)


REGION_PATTERN = r"^[a-z][a-z0-9-]{0,30}$"


class Endpoint(BaseModel):
    """A vendor's address, and the region in which it is said to process what it is sent.

    ``global``: wherever the vendor has room. ``local``: nothing is sent anywhere. The first of a provider is its usual
    one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: ProviderName
    host: str = ""
    region: str = Field(pattern=REGION_PATTERN)


class ReviewedPrice(BaseModel):
    """US dollars per million tokens of a short prompt, as last checked by a person against the vendor's page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)


class Model(BaseModel):
    """One model. Sizes are in tokens; what a vendor does not say is left out.

    ``default_effort`` is what the vendor takes where none is asked for. ``temperature`` is the range that is
    accepted; with ``temperature_needs_no_reasoning`` it is accepted only together with the effort ``none``.
    ``price_id`` names the price list's entry where its id is another one, ``price_provider`` whose it is;
    ``own_prices`` come before the list, and an endpoint charges ``price_factor`` times either. ``retention`` says what
    the vendor keeps beyond the answer. ``token_probabilities``: it gives those of an answer's tokens where it does not
    reason. ``output_minimum`` is the smallest max_tokens that its vendor takes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: ProviderName
    id: str = Field(min_length=1)
    family: str
    name: str
    default: bool = False
    free: bool = False
    price_id: str | None = None
    price_provider: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,60}$")] | None = None
    reviewed_price: ReviewedPrice | None = None
    own_prices: Annotated[tuple[OwnPrice, ...], Field(max_length=20)] = ()
    price_factor: Factor = Decimal(1)
    retention: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    context_window: int | None = Field(default=None, gt=0)
    output_limit: int | None = Field(default=None, gt=0)
    output_minimum: int = Field(default=1, gt=0)
    structured_output: StructuredOutput
    temperature: tuple[float, float] | None = None
    temperature_needs_no_reasoning: bool = False
    reasoning_efforts: tuple[ReasoningEffort, ...] = ()
    default_effort: ReasoningEffort | None = None
    no_reasoning: NoReasoning | None = None
    verbosities: tuple[OutputVerbosity, ...] = ()
    prompt_caching: PromptCaching | None = None
    batch_api: bool = False
    token_probabilities: bool = False
    released: date | None = None
    deprecated: bool = False
    retires: date | None = None
    successor: str | None = None
    limits: Limits

    @model_validator(mode="after")
    def _life_is_in_order(self) -> Self:
        if self.released and self.retires and self.released >= self.retires:
            raise ValueError(f"{self.id} retires before it is released")
        if (self.deprecated or self.retires) and self.successor is None:
            raise ValueError(f"{self.id} is being retired: set its successor")
        return self

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.context_window and self.output_limit and self.output_limit > self.context_window:
            raise ValueError(f"{self.id}: output limit exceeds the context window")
        if self.temperature and self.temperature[0] > self.temperature[1]:
            raise ValueError(f"{self.id}: minimum temperature exceeds the maximum")
        return self

    @model_validator(mode="after")
    def _reasoning_fits(self) -> Self:
        silent = ReasoningEffort.NONE in self.reasoning_efforts
        if silent != (self.no_reasoning is not None):
            raise ValueError(f"{self.id}: the effort none and no_reasoning must be set together")
        if self.default_effort is not None and self.default_effort not in self.reasoning_efforts:
            raise ValueError(f"{self.id}: its default_effort is not among its reasoning_efforts")
        if self.temperature_needs_no_reasoning and not (silent and self.temperature):
            raise ValueError(f"{self.id}: temperature_needs_no_reasoning needs a temperature and none")
        return self

    @model_validator(mode="after")
    def _price_is_said_once(self) -> Self:
        if self.free and (self.price_id or self.reviewed_price or self.own_prices):
            raise ValueError(f"{self.id} is free: it has no price")
        if len({price.since for price in self.own_prices}) != len(self.own_prices):
            raise ValueError(f"{self.id}: two of its prices begin on the same day")
        return self

    @property
    def full_name(self) -> str:
        """Provider and id, as they are named on the command line."""
        return f"{self.provider}/{self.id}"

    def is_retired(self, today: date) -> bool:
        """True from the day on which the vendor refuses it."""
        return self.retires is not None and today >= self.retires
