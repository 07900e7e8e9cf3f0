"""The vendors' own lists of models, read live: four formats, one shape."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, TypeVar

import httpx2
from event_contracts import ExternalServiceError, ReasoningEffort
from pydantic import BaseModel, Field, ValidationError

from model_manifest.provider_name import ProviderName

PAGE_SIZE: Final = 1_000
MAX_PAGES: Final = 50
MILLION: Final = Decimal(1_000_000)

Page = TypeVar("Page", bound=BaseModel)


class ListNotRead(ExternalServiceError):
    """A vendor's list could not be fetched, or is not in the vendor's format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """What a vendor says of one of its models; None and empty are what it does not say.

    Sizes are in tokens, prices in US dollars per million tokens.
    """

    id: str
    retired: bool = False
    deprecated: bool = False
    retires: date | None = None
    context_window: int | None = None
    output_limit: int | None = None
    efforts: frozenset[ReasoningEffort] | None = None
    batch_api: bool | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A vendor that lists its models, and the environment variables that say where and to whom."""

    provider: ProviderName
    key_variable: str
    base_url_variable: str
    base_url: str
    read: Callable[["_Source"], Iterator[ListedModel]]

    def list_models(
        self, client: httpx2.Client, *, api_key: str, base_url: str | None = None
    ) -> tuple[ListedModel, ...]:
        """Every model of the vendor's list, page by page; raises ``ListNotRead``."""
        source = _Source(client=client, base_url=(base_url or self.base_url).rstrip("/"), api_key=api_key)
        listed = tuple(self.read(source))
        if not listed:
            raise ListNotRead(f"{source.base_url} lists no models at all")
        return listed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    client: httpx2.Client
    base_url: str
    api_key: str

    def get(
        self, path: str, page: type[Page], *, headers: Mapping[str, str], query: Mapping[str, str | int]
    ) -> Page:
        try:
            answer = self.client.get(f"{self.base_url}{path}", params=dict(query), headers=dict(headers))
        except httpx2.HTTPError as error:
            raise ListNotRead(f"{self.base_url} cannot be reached: {type(error).__name__}") from error
        if not answer.is_success:
            raise ListNotRead(f"{self.base_url} answers {answer.status_code}{_hint(answer.status_code)}")
        try:
            return page.model_validate_json(answer.content)
        except ValidationError as error:
            raise ListNotRead(
                f"{self.base_url}: this is not its list of models: {error.errors()[0]['msg']}"
            ) from error


def _hint(status: int) -> str:
    return ": is the key right?" if status in (401, 403) else ""


class _Supported(BaseModel):
    supported: bool = False


class _AnthropicEfforts(BaseModel):
    low: _Supported = _Supported()
    medium: _Supported = _Supported()
    high: _Supported = _Supported()


class _AnthropicCapabilities(BaseModel):
    batch: _Supported = _Supported()
    effort: _AnthropicEfforts = _AnthropicEfforts()


class _AnthropicModel(BaseModel):
    id: str
    lifecycle: str | None = None
    retires_at: datetime | None = None
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    capabilities: _AnthropicCapabilities | None = None


class _AnthropicPage(BaseModel):
    data: list[_AnthropicModel]
    has_more: bool = False
    last_id: str | None = None


def _anthropic(source: _Source) -> Iterator[ListedModel]:
    """GET /v1/models, forwards from ``last_id``; retired models are left out unless they are asked for."""
    headers = {"x-api-key": source.api_key, "anthropic-version": "2023-06-01"}
    query: dict[str, str | int] = {"limit": PAGE_SIZE}
    for _ in range(MAX_PAGES):
        page = source.get("/v1/models", _AnthropicPage, headers=headers, query=query)
        yield from map(_of_anthropic, page.data)
        if not page.has_more or page.last_id is None:
            return
        query["after_id"] = page.last_id
    raise _endless(source)


def _of_anthropic(model: _AnthropicModel) -> ListedModel:
    can = model.capabilities
    return ListedModel(
        id=model.id,
        retired=model.lifecycle == "retired",
        deprecated=model.lifecycle == "deprecated",
        retires=None if model.retires_at is None else model.retires_at.astimezone(UTC).date(),
        context_window=model.max_input_tokens,
        output_limit=model.max_tokens,
        efforts=None if can is None else frozenset(_efforts(can.effort)),
        batch_api=None if can is None else can.batch.supported,
    )


def _efforts(efforts: _AnthropicEfforts) -> Iterator[ReasoningEffort]:
    if efforts.low.supported:
        yield ReasoningEffort.LOW
    if efforts.medium.supported:
        yield ReasoningEffort.MEDIUM
    if efforts.high.supported:
        yield ReasoningEffort.HIGH


class _OpenAiModel(BaseModel):
    id: str
    shutdown_date: date | None = None


class _OpenAiPage(BaseModel):
    data: list[_OpenAiModel]


def _openai(source: _Source) -> Iterator[ListedModel]:
    """GET /models: one page, ids and shutdown dates."""
    page = source.get("/models", _OpenAiPage, headers=_bearer(source), query={})
    for model in page.data:
        announced = model.shutdown_date
        yield ListedModel(id=model.id, deprecated=announced is not None, retires=announced)


class _GoogleModel(BaseModel):
    name: str
    input_token_limit: int | None = Field(default=None, alias="inputTokenLimit")
    output_token_limit: int | None = Field(default=None, alias="outputTokenLimit")


class _GooglePage(BaseModel):
    models: list[_GoogleModel] = []
    next_page_token: str | None = Field(default=None, alias="nextPageToken")


def _google(source: _Source) -> Iterator[ListedModel]:
    """GET /v1beta/models, page by token; a name is ``models/`` and the id."""
    query: dict[str, str | int] = {"pageSize": PAGE_SIZE}
    for _ in range(MAX_PAGES):
        page = source.get(
            "/v1beta/models", _GooglePage, headers={"x-goog-api-key": source.api_key}, query=query
        )
        for model in page.models:
            yield ListedModel(
                id=model.name.removeprefix("models/"),
                context_window=model.input_token_limit,
                output_limit=model.output_token_limit,
            )
        if not page.next_page_token:
            return
        query["pageToken"] = page.next_page_token
    raise _endless(source)


class _OpenRouterPricing(BaseModel):
    prompt: Decimal | None = None
    completion: Decimal | None = None


class _OpenRouterRoute(BaseModel):
    max_completion_tokens: int | None = None


class _OpenRouterModel(BaseModel):
    id: str
    context_length: int | None = None
    expiration_date: date | None = None
    pricing: _OpenRouterPricing = _OpenRouterPricing()
    top_provider: _OpenRouterRoute = _OpenRouterRoute()


class _OpenRouterLinks(BaseModel):
    next: str | None = None


class _OpenRouterPage(BaseModel):
    data: list[_OpenRouterModel]
    links: _OpenRouterLinks = _OpenRouterLinks()


def _openrouter(source: _Source) -> Iterator[ListedModel]:
    """GET /models, onwards by offset while a next page is named; prices are in dollars per token."""
    seen = 0
    for _ in range(MAX_PAGES):
        page = source.get(
            "/models", _OpenRouterPage, headers=_bearer(source), query={"offset": seen} if seen else {}
        )
        yield from map(_of_openrouter, page.data)
        seen += len(page.data)
        if page.links.next is None or not page.data:
            return
    raise _endless(source)


def _of_openrouter(model: _OpenRouterModel) -> ListedModel:
    return ListedModel(
        id=model.id,
        deprecated=model.expiration_date is not None,
        retires=model.expiration_date,
        context_window=model.context_length,
        output_limit=model.top_provider.max_completion_tokens,
        input_price=_per_million(model.pricing.prompt),
        output_price=_per_million(model.pricing.completion),
    )


def _per_million(per_token: Decimal | None) -> Decimal | None:
    """OpenRouter writes -1 where the price depends on the route."""
    return None if per_token is None or per_token < 0 else per_token * MILLION


def _bearer(source: _Source) -> dict[str, str]:
    return {"authorization": f"Bearer {source.api_key}"}


def _endless(source: _Source) -> ListNotRead:
    return ListNotRead(f"{source.base_url} does not come to an end after {MAX_PAGES} pages")


VENDORS: Final[Mapping[ProviderName, Vendor]] = {
    vendor.provider: vendor
    for vendor in (
        Vendor(
            provider="anthropic",
            key_variable="ANTHROPIC_API_KEY",
            base_url_variable="ANTHROPIC_BASE_URL",
            base_url="https://api.anthropic.com",
            read=_anthropic,
        ),
        Vendor(
            provider="openai",
            key_variable="OPENAI_API_KEY",
            base_url_variable="OPENAI_BASE_URL",
            base_url="https://api.openai.com/v1",
            read=_openai,
        ),
        Vendor(
            provider="google",
            key_variable="GOOGLE_API_KEY",
            base_url_variable="GOOGLE_BASE_URL",
            base_url="https://generativelanguage.googleapis.com",
            read=_google,
        ),
        Vendor(
            provider="openrouter",
            key_variable="OPENROUTER_API_KEY",
            base_url_variable="OPENROUTER_BASE_URL",
            base_url="https://openrouter.ai/api/v1",
            read=_openrouter,
        ),
    )
}
