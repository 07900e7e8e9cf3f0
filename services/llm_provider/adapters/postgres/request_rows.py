"""Requests as rows of ``judge_request``, and their state as their callers see it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Final

import orjson
from event_contracts import (
    LastError,
    LLMComparisonResultV1,
    PromptBlock,
    RequestState,
    RequestStatus,
    TraceContext,
)
from pydantic import TypeAdapter
from service_kit.storage.database import named_rows
from service_kit.storage.rows import RowCodec
from sqlalchemy import Result

from llm_provider.adapters.postgres.tables import judge_request
from llm_provider.domain.requests.fair_turns import Turn
from llm_provider.domain.requests.prompt import NO_PROMPT, JudgeParameters, Prompt
from llm_provider.domain.requests.request import JudgeRequest, LeasedRequest, QueueId, QueueState
from llm_provider.ports import Rows, Unreadable

_BLOCKS = TypeAdapter(tuple[PromptBlock, ...])
_NOT_PARAMETERS: Final = ("provider", "model")
_STATES: Final = {
    QueueState.WAITING: RequestState.QUEUED,
    QueueState.DELAYED: RequestState.QUEUED,
    QueueState.AWAITING_BATCH: RequestState.QUEUED,
    QueueState.CALLING: RequestState.PROCESSING,
    QueueState.IN_BATCH: RequestState.PROCESSING,
    QueueState.COMPLETED: RequestState.COMPLETED,
    QueueState.FAILED: RequestState.FAILED,
    QueueState.EXPIRED: RequestState.EXPIRED,
    QueueState.CANCELLED: RequestState.CANCELLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRequest:
    """A request that joins the queue; ``turn`` is there if it waits for one."""

    request: JudgeRequest
    turn: Turn | None


@lru_cache
def _parameters_json(parameters: JudgeParameters) -> str:
    """Without provider and model, which have columns of their own; most requests have the same parameters."""
    rest = {name: value for name, value in asdict(parameters).items() if name not in _NOT_PARAMETERS}
    return orjson.dumps(rest).decode()


def _read_leased(row: Mapping[str, Any]) -> LeasedRequest:
    """Raises ``ValueError`` or ``TypeError`` for a row that holds something other than this version writes."""
    prompt = Prompt(system=row["system_prompt"], blocks=_BLOCKS.validate_json(row["prompt_blocks"]))
    parameters = JudgeParameters(provider=row["provider"], model=row["model"], **row["parameters"])
    return _leased(row, prompt=prompt, parameters=parameters, metadata=_metadata(row["metadata"]))


def _metadata(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("the metadata of a request is a JSON object")
    return value


def leased_for_end(row: Mapping[str, Any]) -> LeasedRequest:
    """A request with only what its end needs: parts of it that cannot be read are left empty."""
    metadata = row["metadata"] if isinstance(row["metadata"], dict) else {}
    parameters = JudgeParameters(
        provider=row["provider"],
        model=row["model"],
        temperature=None,
        max_tokens=1,
        reasoning_effort=None,
        output_verbosity=None,
        structured_output="prompt",
    )
    return _leased(row, prompt=NO_PROMPT, parameters=parameters, metadata=metadata)


def _leased(
    row: Mapping[str, Any], *, prompt: Prompt, parameters: JudgeParameters, metadata: dict[str, Any]
) -> LeasedRequest:
    request = JudgeRequest(
        queue_id=QueueId(row["id"]),
        idempotency_key=row["idempotency_key"],
        body_sha256=row["body_sha256"],
        prompt=prompt,
        prompt_sha256=row["prompt_sha256"],
        parameters=parameters,
        sample=row["sample"],
        callback_topic=row["callback_topic"],
        callback_url=row["callback_url"],
        correlation_id=row["correlation_id"],
        user_id=row["user_id"],
        batch_id=row["batch_id"],
        metadata=metadata,
        priority=row["priority"],
        requested_at=row["requested_at"],
        not_before=row["not_before"],
        expires_at=row["expires_at"],
        is_relaxed=row["is_relaxed"],
        reports_batch_expiry=row["reports_batch_expiry"],
        max_cost_usd=row["max_cost_usd"],
        trace=TraceContext.of(row["traceparent"], row["tracestate"]),
    )
    return LeasedRequest(
        request=request,
        attempts=row["attempts"],
        failures=row["failures"],
        paid_calls=row["paid_calls"],
        failing_since=row["failing_since"],
        spent_usd=row["spent_usd"],
        price_known=row["price_known"],
        last_error_code=row["last_error_code"],
        last_error_message=row["last_error_message"],
        cancel_requested=row["cancel_requested_at"] is not None,
        reserved_input=row["reserved_input"],
        reserved_output=row["reserved_output"],
    )


NEW_REQUESTS: Final = RowCodec[QueuedRequest](
    table=judge_request,
    write={
        "id": lambda new: new.request.queue_id,
        "idempotency_key": lambda new: new.request.idempotency_key,
        "body_sha256": lambda new: new.request.body_sha256,
        "provider": lambda new: new.request.parameters.provider,
        "model": lambda new: new.request.parameters.model,
        "parameters": lambda new: _parameters_json(new.request.parameters),
        "system_prompt": lambda new: new.request.prompt.system,
        "prompt_blocks": lambda new: _BLOCKS.dump_json(new.request.prompt.blocks).decode(),
        "prompt_sha256": lambda new: new.request.prompt_sha256,
        "sample": lambda new: new.request.sample,
        "estimated_input": lambda new: new.request.estimated_input,
        "callback_topic": lambda new: new.request.callback_topic,
        "callback_url": lambda new: new.request.callback_url,
        "correlation_id": lambda new: new.request.correlation_id,
        "user_id": lambda new: new.request.user_id,
        "batch_id": lambda new: new.request.batch_id,
        "metadata": lambda new: orjson.dumps(new.request.metadata).decode(),
        "requested_at": lambda new: new.request.requested_at,
        "not_before": lambda new: new.request.not_before,
        "expires_at": lambda new: new.request.expires_at,
        "is_relaxed": lambda new: new.request.is_relaxed,
        "reports_batch_expiry": lambda new: new.request.reports_batch_expiry,
        "max_cost_usd": lambda new: new.request.max_cost_usd,
        "traceparent": lambda new: new.request.trace and new.request.trace.traceparent,
        "tracestate": lambda new: new.request.trace and new.request.trace.tracestate,
        "state": lambda new: new.request.first_state,
        "due_at": lambda new: new.request.not_before,
        "priority": lambda new: new.request.priority,
        "lane": lambda new: new.request.lane.caller,
        "turn": lambda new: new.turn,
    },
    read=lambda row: QueuedRequest(request=_read_leased(row).request, turn=row["turn"]),
)
"""A request that joins the queue, as it is written."""


def read_rows(result: Result[Any]) -> Rows:
    """The requests of all rows, which still have their prompts; a row that cannot be read hides no other."""
    requests: list[LeasedRequest] = []
    unreadable: list[Unreadable] = []
    for row in named_rows(result):
        try:
            requests.append(_read_leased(row))
        except (ValueError, TypeError, KeyError) as error:
            unreadable.append(Unreadable(queue_id=QueueId(row["id"]), error=error))
    return Rows(requests=requests, unreadable=unreadable)


def status_of(row: Mapping[str, Any]) -> RequestStatus:
    """The state of a request, for its caller; a row of ``STATUS``."""
    code, message = row["waiting_error_code"], row["waiting_error_message"]
    return RequestStatus(
        queue_id=row["id"],
        status=_STATES[QueueState(row["state"])],
        correlation_id=row["correlation_id"],
        attempts=row["attempts"],
        requested_at=row["requested_at"],
        completed_at=row["ended_at"],
        provider=row["provider"],
        model=row["model"],
        cancel_requested_at=row["cancel_requested_at"],
        last_error=None if code is None else LastError(error_code=code, message=message or code),
        result=None if row["result"] is None else LLMComparisonResultV1.model_validate_json(row["result"]),
    )
