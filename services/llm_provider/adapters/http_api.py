"""The service's HTTP routes."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from event_contracts import (
    ComparisonAccepted,
    ComparisonBatchAnswer,
    ComparisonBatchItem,
    ComparisonBatchRequest,
    ComparisonItemAnswer,
    ComparisonRequest,
    ErrorBody,
    RequestStatus,
    WireModel,
)
from model_manifest import Model, list_models, list_providers
from pydantic import BaseModel
from quart import Blueprint, request
from quart_schema import document_response, validate_querystring, validate_request, validate_response

from llm_provider.domain.request import QueueId

IDEMPOTENCY_HEADER = "Idempotency-Key"


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What the routes call."""

    accept_one: Callable[[ComparisonBatchItem], Awaitable[ComparisonAccepted]]
    accept_many: Callable[[Sequence[ComparisonBatchItem]], Awaitable[Sequence[ComparisonItemAnswer]]]
    read: Callable[[QueueId], Awaitable[RequestStatus]]


class ModelsQuery(BaseModel):
    """Which models to list."""

    provider: str | None = None
    include_deprecated: bool = False


class ModelList(WireModel):
    """Models that may judge."""

    models: tuple[Model, ...]


class ProviderView(WireModel):
    """A provider, and whether this installation can reach it."""

    provider: str
    configured: bool


class ProviderList(WireModel):
    """All providers."""

    providers: tuple[ProviderView, ...]


def comparisons_api(actions: Actions) -> Blueprint:
    """Requests to judge, and how they stand."""
    blueprint = Blueprint("comparisons", __name__, url_prefix="/api/v1")

    @blueprint.post("/comparison")
    @validate_request(ComparisonRequest)
    @validate_response(ComparisonAccepted, 202)
    @document_response(ErrorBody, 422)
    @document_response(ErrorBody, 503)
    async def accept_one(data: ComparisonRequest) -> tuple[ComparisonAccepted, int]:
        """Queue one comparison; the result comes as one callback."""
        key = request.headers.get(IDEMPOTENCY_HEADER)
        item = ComparisonBatchItem.model_validate({**dict(data), "idempotency_key": key})
        return await actions.accept_one(item), 202

    @blueprint.post("/comparisons")
    @validate_request(ComparisonBatchRequest)
    @validate_response(ComparisonBatchAnswer, 202)
    @document_response(ErrorBody, 422)
    @document_response(ErrorBody, 503)
    async def accept_many(data: ComparisonBatchRequest) -> tuple[ComparisonBatchAnswer, int]:
        """Queue up to 500 comparisons; each is answered for itself."""
        return ComparisonBatchAnswer(items=tuple(await actions.accept_many(data.comparisons))), 202

    @blueprint.get("/requests/<uuid:queue_id>")
    @validate_response(RequestStatus)
    @document_response(ErrorBody, 404)
    async def read(queue_id: UUID) -> RequestStatus:
        """How a request stands and, once it has ended, its result."""
        return await actions.read(QueueId(queue_id))

    return blueprint


def models_api(*, configured: Collection[str]) -> Blueprint:
    """What may judge."""
    blueprint = Blueprint("models", __name__, url_prefix="/api/v1")

    @blueprint.get("/models")
    @validate_querystring(ModelsQuery)
    @validate_response(ModelList)
    @document_response(ErrorBody, 422)
    async def models(query_args: ModelsQuery) -> ModelList:
        """The models of the manifest."""
        found = list_models(provider=query_args.provider, include_deprecated=query_args.include_deprecated)
        return ModelList(models=found)

    @blueprint.get("/providers")
    @validate_response(ProviderList)
    async def providers() -> ProviderList:
        """All providers, and which of them this installation can reach."""
        views = tuple(ProviderView(provider=name, configured=name in configured) for name in list_providers())
        return ProviderList(providers=views)

    return blueprint
