"""The LLM Provider service over HTTP."""

from collections.abc import Sequence

import httpx2
from event_contracts import (
    ComparisonBatchAnswer,
    ComparisonBatchItem,
    ComparisonBatchRequest,
    ErrorCode,
    ErrorDetail,
    ExternalServiceError,
    Unavailable,
)
from pydantic import ValidationError

from cj_assessment.domain.comparison import AttemptId
from cj_assessment.domain.prompt import plain_prompt
from cj_assessment.ports import ComparisonOrder, Refusal, Submitted

TIMEOUT_SECONDS = 30.0
_LATER = frozenset(
    {
        ErrorCode.LLM_QUEUE_FULL,
        ErrorCode.SERVICE_UNAVAILABLE,
        ErrorCode.RATE_LIMIT,
        ErrorCode.TIMEOUT,
        ErrorCode.UNKNOWN_ERROR,
    }
)


class LlmProviderClient:
    """Queues comparisons; the attempt's id is the idempotency key, so that a repeated call queues nothing twice."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        *,
        base_url: str,
        callback_topic: str | None,
        callback_url: str | None,
    ) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._callback_topic = callback_topic
        self._callback_url = callback_url

    async def submit(self, orders: Sequence[ComparisonOrder]) -> Submitted:
        request = ComparisonBatchRequest(comparisons=tuple(self._item(order) for order in orders))
        try:
            answer = await self._client.post(
                f"{self._base_url}/api/v1/comparisons",
                content=request.model_dump_json(exclude_none=True),
                headers={"content-type": "application/json"},
                timeout=TIMEOUT_SECONDS,
            )
        except httpx2.HTTPError as error:
            raise ExternalServiceError(f"the LLM Provider does not answer: {error!r}") from error
        if answer.status_code == 503:
            raise Unavailable("the LLM Provider is busy", retry_after=_retry_after(answer))
        if not answer.is_success:
            raise ExternalServiceError(f"the LLM Provider answered {answer.status_code}: {answer.text[:500]}")
        return _submitted([order.attempt_id for order in orders], answer.content)

    async def withdraw(self, request_id: str) -> None:
        url = f"{self._base_url}/api/v1/requests/{request_id}/cancel"
        try:
            answer = await self._client.post(url, timeout=TIMEOUT_SECONDS)
        except httpx2.HTTPError as error:
            raise ExternalServiceError(f"the LLM Provider does not answer: {error!r}") from error
        if not answer.is_success and answer.status_code != 404:
            raise ExternalServiceError(f"the LLM Provider answered {answer.status_code}: {answer.text[:500]}")

    def _item(self, order: ComparisonOrder) -> ComparisonBatchItem:
        return ComparisonBatchItem(
            idempotency_key=str(order.attempt_id),
            user_prompt=plain_prompt(order.blocks),
            prompt_blocks=order.blocks,
            callback_topic=self._callback_topic,
            callback_url=self._callback_url,
            llm_config_overrides=order.overrides,
            correlation_id=order.correlation_id,
            user_id=order.user_id,
            max_cost_usd=order.max_cost_usd,
            metadata={
                "essay_a_id": order.essay_a_id,
                "essay_b_id": order.essay_b_id,
                "bos_batch_id": order.batch_id,
                "attempt_id": str(order.attempt_id),
                "repetition": order.repetition,
            },
        )


def _retry_after(answer: httpx2.Response) -> float:
    try:
        return float(answer.headers.get("Retry-After", "1"))
    except ValueError:
        return 1.0


def _submitted(attempts: Sequence[AttemptId], body: bytes) -> Submitted:
    try:
        items = ComparisonBatchAnswer.model_validate_json(body).items
    except ValidationError as error:
        raise ExternalServiceError("the LLM Provider's answer does not fit its contract") from error
    if len(items) != len(attempts):
        raise ExternalServiceError("the LLM Provider answered another number of items than were sent")
    answered = list(zip(attempts, items, strict=True))
    return Submitted(
        accepted={attempt: str(item.accepted.queue_id) for attempt, item in answered if item.accepted},
        refused=[
            _refusal(attempt, item.error)
            for attempt, item in answered
            if item.error and item.error.error_code not in _LATER
        ],
    )


def _refusal(attempt: AttemptId, error: ErrorDetail) -> Refusal:
    return Refusal(attempt_id=attempt, error_code=error.error_code, message=error.message)
