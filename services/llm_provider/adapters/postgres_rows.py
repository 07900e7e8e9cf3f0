"""Rows of judge requests, and what they stand for."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Final

import orjson
from event_contracts import LLMComparisonResultV1, PromptBlock, RequestState, RequestStatus
from pydantic import TypeAdapter
from service_kit.storage.database import named_rows
from sqlalchemy import Result, Row

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


NEW_REQUEST: Final = {
    "id": "uuid",
    "idempotency_key": "text",
    "body_sha256": "text",
    "provider": "text",
    "model": "text",
    "parameters": "jsonb",
    "system": "text",
    "blocks": "text",
    "prompt_sha256": "text",
    "sample": "integer",
    "estimated_input": "integer",
    "callback_topic": "text",
    "callback_url": "text",
    "correlation_id": "uuid",
    "user_id": "text",
    "batch_id": "text",
    "metadata": "jsonb",
    "requested_at": "timestamptz",
    "not_before": "timestamptz",
    "expires_at": "timestamptz",
    "is_relaxed": "boolean",
    "reports_batch_expiry": "boolean",
    "max_cost_usd": "numeric",
    "state": "text",
    "due_at": "timestamptz",
    "priority": "smallint",
    "lane": "text",
    "turn": "bigint",
}
"""The columns of a request that joins the queue, and their types."""


def row_of(request: JudgeRequest, *, place: Place, turn: Turn | None) -> tuple[object, ...]:
    """A new request as a row, in the order of ``NEW_REQUEST``."""
    return (
        request.queue_id,
        request.idempotency_key,
        request.body_sha256,
        request.parameters.provider,
        request.parameters.model,
        _parameters_json(request.parameters),
        request.prompt.system,
        _BLOCKS.dump_json(request.prompt.blocks).decode(),
        request.prompt_sha256,
        request.sample,
        request.estimated_input,
        request.callback_topic,
        request.callback_url,
        request.correlation_id,
        request.user_id,
        request.batch_id,
        orjson.dumps(request.metadata).decode(),
        request.requested_at,
        request.not_before,
        request.expires_at,
        request.is_relaxed,
        request.reports_batch_expiry,
        request.max_cost_usd,
        place,
        request.not_before,
        request.priority,
        request.lane.caller,
        turn,
    )


@lru_cache
def _parameters_json(parameters: JudgeParameters) -> str:
    """Without provider and model, which have columns of their own; most requests have the same parameters."""
    rest = {name: value for name, value in asdict(parameters).items() if name not in ("provider", "model")}
    return orjson.dumps(rest).decode()


def taken_of(result: Result[Any]) -> list[Taken]:
    """The requests of all rows, which have their prompts still."""
    return [_taken(row) for row in named_rows(result)]


def _taken(row: Mapping[str, Any]) -> Taken:
    return Taken(
        request=_request(row),
        attempts=row["attempts"],
        failures=row["failures"],
        spent_usd=row["spent_usd"],
        price_known=row["price_known"],
        last_error_code=row["last_error_code"],
        reserved_input=row["reserved_input"],
        reserved_output=row["reserved_output"],
    )


def _request(row: Mapping[str, Any]) -> JudgeRequest:
    return JudgeRequest(
        queue_id=QueueId(row["id"]),
        idempotency_key=row["idempotency_key"],
        body_sha256=row["body_sha256"],
        prompt=Prompt(system=row["system"], blocks=_BLOCKS.validate_json(row["blocks"])),
        prompt_sha256=row["prompt_sha256"],
        parameters=JudgeParameters(provider=row["provider"], model=row["model"], **row["parameters"]),
        sample=row["sample"],
        callback_topic=row["callback_topic"],
        callback_url=row["callback_url"],
        correlation_id=row["correlation_id"],
        user_id=row["user_id"],
        batch_id=row["batch_id"],
        metadata=row["metadata"],
        priority=row["priority"],
        requested_at=row["requested_at"],
        not_before=row["not_before"],
        expires_at=row["expires_at"],
        is_relaxed=row["is_relaxed"],
        reports_batch_expiry=row["reports_batch_expiry"],
        max_cost_usd=row["max_cost_usd"],
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
        result=None if row.result is None else LLMComparisonResultV1.model_validate_json(row.result),
    )
