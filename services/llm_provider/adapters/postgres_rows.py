"""Rows of judge requests, and what they stand for."""

from dataclasses import asdict
from typing import Any, Final

from event_contracts import LLMComparisonResultV1, PromptBlock, RequestState, RequestStatus
from pydantic import TypeAdapter
from sqlalchemy import Row

from llm_provider.domain.fairness import Turn
from llm_provider.domain.request import JudgeParameters, JudgeRequest, Place, Prompt, QueueId, Taken

_BLOCKS = TypeAdapter(tuple[PromptBlock, ...])
_STATES: Final = {
    Place.WAITING: RequestState.QUEUED,
    Place.LATER: RequestState.QUEUED,
    Place.RELAXED: RequestState.QUEUED,
    Place.CALLING: RequestState.PROCESSING,
    Place.BATCHED: RequestState.PROCESSING,
    Place.COMPLETED: RequestState.COMPLETED,
    Place.FAILED: RequestState.FAILED,
    Place.EXPIRED: RequestState.EXPIRED,
    Place.CANCELLED: RequestState.CANCELLED,
}


def columns_of(request: JudgeRequest, *, place: Place, turn: Turn | None) -> dict[str, object]:
    """A new request as a row."""
    parameters = asdict(request.parameters)
    return {
        "id": request.queue_id,
        "idempotency_key": request.idempotency_key,
        "body_sha256": request.body_sha256,
        "provider": parameters.pop("provider"),
        "model": parameters.pop("model"),
        "parameters": parameters,
        "system": request.prompt.system,
        "blocks": [block.model_dump(mode="json") for block in request.prompt.blocks],
        "prompt_sha256": request.prompt_sha256,
        "sample": request.sample,
        "estimated_input": request.estimated_input,
        "callback_topic": request.callback_topic,
        "callback_url": request.callback_url,
        "correlation_id": request.correlation_id,
        "user_id": request.user_id,
        "batch_id": request.batch_id,
        "metadata": request.metadata,
        "requested_at": request.requested_at,
        "not_before": request.not_before,
        "expires_at": request.expires_at,
        "is_relaxed": request.is_relaxed,
        "reports_batch_expiry": request.reports_batch_expiry,
        "max_cost_usd": request.max_cost_usd,
        "state": place,
        "due_at": request.not_before,
        "priority": request.priority,
        "lane": request.lane.caller,
        "turn": turn,
    }


def taken_of(row: Row[Any]) -> Taken:
    """A row that has its prompt still."""
    return Taken(
        request=_request(row),
        attempts=row.attempts,
        failures=row.failures,
        spent_usd=row.spent_usd,
        price_known=row.price_known,
        last_error_code=row.last_error_code,
        reserved_input=row.reserved_input,
        reserved_output=row.reserved_output,
    )


def _request(row: Row[Any]) -> JudgeRequest:
    return JudgeRequest(
        queue_id=QueueId(row.id),
        idempotency_key=row.idempotency_key,
        body_sha256=row.body_sha256,
        prompt=Prompt(system=row.system, blocks=_BLOCKS.validate_python(row.blocks)),
        prompt_sha256=row.prompt_sha256,
        parameters=JudgeParameters(provider=row.provider, model=row.model, **row.parameters),
        sample=row.sample,
        callback_topic=row.callback_topic,
        callback_url=row.callback_url,
        correlation_id=row.correlation_id,
        user_id=row.user_id,
        batch_id=row.batch_id,
        metadata=row.metadata,
        priority=row.priority,
        requested_at=row.requested_at,
        not_before=row.not_before,
        expires_at=row.expires_at,
        is_relaxed=row.is_relaxed,
        reports_batch_expiry=row.reports_batch_expiry,
        max_cost_usd=row.max_cost_usd,
    )


def status_of(row: Row[Any]) -> RequestStatus:
    """How a request stands, for its caller."""
    return RequestStatus(
        queue_id=row.id,
        status=_STATES[Place(row.state)],
        correlation_id=row.correlation_id,
        attempts=row.attempts,
        requested_at=row.requested_at,
        completed_at=row.ended_at,
        provider=row.provider,
        model=row.model,
        result=None if row.result is None else LLMComparisonResultV1.model_validate(row.result),
    )
