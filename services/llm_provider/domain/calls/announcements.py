"""Events about calls for analytics and billing, and the callback of a result."""

from typing import TypeVar

from event_contracts import (
    EventEnvelope,
    LLMComparisonResultV1,
    LLMCostTrackingV1,
    LLMProviderFailureV1,
    LLMRequestCompletedV1,
    LLMRequestStartedV1,
    WireModel,
    is_name,
    usd,
)

from llm_provider.domain.calls.call import Call, token_usage
from llm_provider.domain.calls.errors import failure_type
from llm_provider.domain.requests.request import SERVICE, JudgeRequest

DataT = TypeVar("DataT", bound=WireModel)

Announcement = (
    EventEnvelope[LLMRequestStartedV1]
    | EventEnvelope[LLMRequestCompletedV1]
    | EventEnvelope[LLMCostTrackingV1]
    | EventEnvelope[LLMProviderFailureV1]
)


def callback(request: JudgeRequest, result: LLMComparisonResultV1) -> EventEnvelope[LLMComparisonResultV1]:
    """The one event that a request ends with."""
    return _enveloped(result, request)


def call_started(request: JudgeRequest, *, attempt: int) -> Announcement:
    """A call is about to be made."""
    started = LLMRequestStartedV1(
        provider=request.parameters.provider,
        correlation_id=request.correlation_id,
        user_id=request.user_id,
        metadata={"request_id": str(request.queue_id), "attempt": attempt},
    )
    return _enveloped(started, request)


def call_ended(call: Call, *, opened_breaker: bool) -> tuple[Announcement, ...]:
    """How a call ended, what it cost where that is known, and whether the vendor failed."""
    found = (_completed(call), _cost(call), _failure(call, opened_breaker=opened_breaker))
    return tuple(event for event in found if event is not None)


def _enveloped(data: DataT, request: JudgeRequest) -> EventEnvelope[DataT]:
    return EventEnvelope.wrap(
        data, source_service=SERVICE, correlation_id=request.correlation_id, trace=request.trace
    )


def _completed(call: Call) -> Announcement:
    request = call.leased.request
    completed = LLMRequestCompletedV1(
        provider=call.provider,
        correlation_id=request.correlation_id,
        user_id=request.user_id,
        metadata={"request_id": str(request.queue_id), "attempt": call.leased.attempts},
        success=call.error is None,
        response_time_ms=call.response_time_ms,
        error_message=None if call.error is None else call.error.message,
        token_usage=None if call.usage is None else token_usage(call.usage),
        cost_estimate=None if call.cost.usd is None else usd(call.cost.usd),
    )
    return _enveloped(completed, request)


def _cost(call: Call) -> Announcement | None:
    """None for a call that was not answered, and for one without a known price: a bill of 0 would be wrong."""
    if call.usage is None or call.cost.usd is None:
        return None
    request = call.leased.request
    cost = LLMCostTrackingV1(
        correlation_id=request.correlation_id,
        provider=call.provider,
        model=call.model,
        cost_estimate_usd=usd(call.cost.usd),
        token_usage=token_usage(call.usage),
        user_id=request.user_id,
        organization_id=_named(request, "organization_id") or _named(request, "org_id"),
        service_name=_named(request, "service_name") or SERVICE,
        request_timestamp=call.started_at,
        response_time_ms=call.response_time_ms,
    )
    return _enveloped(cost, request)


def _named(request: JudgeRequest, key: str) -> str | None:
    """What the request's metadata says of its caller, where that is a name."""
    value = request.metadata.get(key)
    return value if isinstance(value, str) and is_name(value) else None


def _failure(call: Call, *, opened_breaker: bool) -> Announcement | None:
    kind = None if call.error is None else failure_type(call.error)
    if call.error is None or kind is None:
        return None
    request = call.leased.request
    failure = LLMProviderFailureV1(
        provider=call.provider,
        failure_type=kind,
        correlation_id=request.correlation_id,
        error_details=call.error.message,
        circuit_breaker_opened=opened_breaker,
    )
    return _enveloped(failure, request)
