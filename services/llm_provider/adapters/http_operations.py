"""The service's HTTP routes for operators and accountants: models, providers, costs."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Final

from event_contracts import (
    Count,
    ErrorBody,
    Flag,
    LargeCount,
    LastError,
    Money,
    Name,
    Number,
    Text,
    UtcDatetime,
    WireModel,
    usd,
)
from model_manifest import Model, list_models
from pydantic import BaseModel, Field
from quart import Blueprint
from quart_schema import document_response, validate_querystring
from service_kit.http.bodies import answers
from service_kit.http.permissions import Permission, requires

from llm_provider.domain.costs.spending import (
    CostGroup,
    CostQuery,
    MeterView,
    ProviderStatus,
    Total,
)
from llm_provider.domain.limits import BreakerState
from llm_provider.domain.provider_state import ProviderState, provider_state

MAX_MODELS: Final = 10_000
MAX_COST_ROWS: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class OperatorActions:
    """What the routes call."""

    providers: Callable[[], Awaitable[Sequence[ProviderStatus]]]
    costs: Callable[[CostQuery], Awaitable[Sequence[Total]]]


class ModelsQuery(BaseModel):
    """Which models to list."""

    provider: Name | None = None
    include_deprecated: bool = False


class ModelList(WireModel):
    """Models that may judge."""

    models: Annotated[tuple[Model, ...], Field(max_length=MAX_MODELS)]


class CostView(WireModel):
    """Calls and what they cost; the cost of `unpriced_calls` is not known and not included."""

    calls: LargeCount
    answered: LargeCount
    unpriced_calls: LargeCount
    input_tokens: LargeCount
    output_tokens: LargeCount
    cost_usd: Money


class ModelMeterView(WireModel):
    """The limits of one model now; null means no limit, or no wait."""

    model: Name
    requests_per_minute: Number | None
    input_tokens_per_minute: Number | None
    output_tokens_per_minute: Number | None
    tokens_per_minute: Number | None
    concurrency: Count
    breaker: BreakerState
    held_until: UtcDatetime | None
    failing_since: UtcDatetime | None
    last_error: LastError | None


class ProviderPause(WireModel):
    """Who paused a provider, when and why."""

    paused_at: UtcDatetime
    paused_by: Name
    reason: Text


class ProviderView(WireModel):
    """A provider: `configured` here, and `enabled` unless it is paused; `message` says what its `state` means."""

    provider: Name
    configured: Flag
    enabled: Flag
    state: ProviderState
    message: Text
    pause: ProviderPause | None
    models: Annotated[tuple[ModelMeterView, ...], Field(max_length=MAX_MODELS)]
    today: CostView


class ProviderList(WireModel):
    """All providers."""

    providers: Annotated[tuple[ProviderView, ...], Field(max_length=MAX_MODELS)]


class CostsQuery(BaseModel):
    """Which calls to sum up and how to group them; days are UTC, both included."""

    by: CostGroup = CostGroup.MODEL
    provider: Name | None = None
    user_id: Name | None = None
    batch_id: Name | None = None
    since: date | None = None
    until: date | None = None


class CostRow(CostView):
    """The sum of one group."""

    group: Text


class CostReport(WireModel):
    """Sums by group, the most expensive first, and the sum of all."""

    by: CostGroup
    rows: Annotated[tuple[CostRow, ...], Field(max_length=MAX_COST_ROWS)]
    total: CostView


def operations_api(actions: OperatorActions) -> Blueprint:
    """The routes: models, providers and their status, costs."""
    blueprint = Blueprint("operators", __name__, url_prefix="/api/v1")

    @blueprint.get("/models")
    @validate_querystring(ModelsQuery)
    @answers(ModelList)
    @document_response(ErrorBody, 422)
    @requires(Permission.READ)
    async def models(query_args: ModelsQuery) -> ModelList:
        """The models of the manifest."""
        found = list_models(provider=query_args.provider, include_deprecated=query_args.include_deprecated)
        return ModelList(models=found)

    @blueprint.get("/providers")
    @answers(ProviderList)
    @requires(Permission.READ)
    async def providers() -> ProviderList:
        """All providers: configured or not, state, limits, breakers, calls and costs of today (UTC)."""
        return ProviderList(providers=tuple(provider_view(status) for status in await actions.providers()))

    @blueprint.get("/costs")
    @validate_querystring(CostsQuery)
    @answers(CostReport)
    @document_response(ErrorBody, 422)
    @requires(Permission.READ)
    async def costs(query_args: CostsQuery) -> CostReport:
        """Calls and costs by model, provider, user, batch or day."""
        totals = await actions.costs(CostQuery(**query_args.model_dump()))
        rows = tuple(CostRow(group=total.group, **_sum([total]).model_dump()) for total in totals)
        return CostReport(by=query_args.by, rows=rows, total=_sum(totals))

    return blueprint


def provider_view(status: ProviderStatus) -> ProviderView:
    """The view of one provider."""
    pause = status.pause
    state, message = provider_state(
        is_configured=status.is_configured, needs=status.needs, pause=pause, meters=status.meters
    )
    return ProviderView(
        provider=status.provider,
        configured=status.is_configured,
        enabled=status.is_configured and pause is None,
        state=state,
        message=message,
        pause=None
        if pause is None
        else ProviderPause(paused_at=pause.paused_at, paused_by=pause.paused_by, reason=pause.reason),
        models=tuple(_meter(meter) for meter in status.meters),
        today=_sum([status.today] if status.today else []),
    )


def _meter(meter: MeterView) -> ModelMeterView:
    return ModelMeterView(
        model=meter.model,
        requests_per_minute=meter.requests_per_minute,
        input_tokens_per_minute=meter.input_tokens_per_minute,
        output_tokens_per_minute=meter.output_tokens_per_minute,
        tokens_per_minute=meter.tokens_per_minute,
        concurrency=meter.concurrency,
        breaker=meter.breaker,
        held_until=meter.held_until,
        failing_since=meter.failing_since,
        last_error=_last_error(meter),
    )


def _last_error(meter: MeterView) -> LastError | None:
    if meter.last_error_code is None:
        return None
    return LastError(
        error_code=meter.last_error_code, message=meter.last_error_message or meter.last_error_code
    )


def _sum(totals: Sequence[Total]) -> CostView:
    return CostView(
        calls=sum(total.calls for total in totals),
        answered=sum(total.answered for total in totals),
        unpriced_calls=sum(total.unpriced_calls for total in totals),
        input_tokens=sum(total.input_tokens for total in totals),
        output_tokens=sum(total.output_tokens for total in totals),
        cost_usd=usd(sum((total.cost_usd for total in totals), Decimal(0))),
    )
