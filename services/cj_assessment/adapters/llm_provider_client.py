"""The LLM Provider service over HTTP."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import httpx2
from event_contracts import (
    ComparisonBatchAnswer,
    ComparisonBatchItem,
    ComparisonBatchRequest,
    ErasureAnswer,
    ErrorCode,
    ErrorDetail,
    ExternalServiceError,
    Latency,
    ProcessingError,
    SourceService,
    Unavailable,
    error_detail,
    retry_after_seconds,
)
from pydantic import ValidationError

from cj_assessment.domain.batch import BatchId
from cj_assessment.domain.comparison import AttemptId
from cj_assessment.domain.erasure import ErasedRequests
from cj_assessment.ports import JudgeRequest, Refusal, SubmissionRefused, Submitted

TIMEOUT_SECONDS: Final = 30.0
MAX_REASON_CHARACTERS: Final = 500
DEFAULT_RETRY_SECONDS: Final = 1.0
PROMPT: Final = "Compare the two essays of the prompt blocks."
"""The contract asks for a plain prompt as well; what is judged are the blocks, and each text travels once."""

_POSTPONED_CODES: Final = frozenset(
    {
        ErrorCode.LLM_QUEUE_FULL,
        ErrorCode.SERVICE_UNAVAILABLE,
        ErrorCode.RATE_LIMIT,
        ErrorCode.TIMEOUT,
        ErrorCode.UNKNOWN_ERROR,
    }
)
_SUBMISSION_REJECTED: Final = {400: ErrorCode.INVALID_REQUEST, 413: ErrorCode.LLM_CONTENT_TOO_LONG}
_UNPROCESSABLE: Final = 422
_INTERNAL_ERROR: Final = 500


class LlmProviderClient:
    """Queues comparisons; the attempt's id is the idempotency key, so that a repeated call queues nothing twice."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        *,
        base_url: str,
        callback_topic: str | None,
        callback_url: str | None,
        token: httpx2.Auth,
    ) -> None:
        self._client = client
        self._token = token
        self._base_url = base_url.rstrip("/")
        self._callback_topic = callback_topic
        self._callback_url = callback_url

    async def submit(self, requests: Sequence[JudgeRequest]) -> Submitted:
        call = ComparisonBatchRequest(comparisons=tuple(self._item(request) for request in requests))
        answer = await self._post("/api/v1/comparisons", content=call.model_dump_json(exclude_none=True))
        if answer.status_code in (*_SUBMISSION_REJECTED, _UNPROCESSABLE):
            raise _refused_as_a_whole(answer)
        _require_success(answer)
        return _submitted([request.attempt_id for request in requests], answer.content)

    async def withdraw(self, request_id: str) -> bool:
        answer = await self._post(f"/api/v1/requests/{request_id}/cancel")
        if answer.status_code == 404:
            return False
        if answer.status_code in (*_SUBMISSION_REJECTED, _UNPROCESSABLE):
            raise _refused_as_a_whole(answer)
        if answer.status_code == _INTERNAL_ERROR:
            # It is up and fails on this request: others can still be withdrawn.
            raise ProcessingError(f"the LLM Provider cannot withdraw {request_id}: {_reason(answer)}")
        _require_success(answer)
        return True

    async def erase(self, batch_id: BatchId, *, everything: bool) -> ErasedRequests:
        query = {"everything": "true"} if everything else {}
        answer = await self._send("DELETE", _admin_path(batch_id), query=query)
        _require_success(answer)
        try:
            counted = ErasureAnswer.model_validate_json(answer.content)
        except ValidationError as error:
            raise ExternalServiceError("the LLM Provider's answer violates its contract") from error
        return ErasedRequests(erased=counted.erased, outstanding=counted.outstanding)

    async def export(self, batch_id: BatchId, *, essay_id: str | None) -> AsyncIterator[bytes]:
        url = f"{self._base_url}{_admin_path(batch_id)}/export"
        query = {} if essay_id is None else {"essay_id": essay_id}
        try:
            async with self._client.stream(
                "GET", url, params=query, auth=self._token, timeout=TIMEOUT_SECONDS
            ) as answer:
                if not answer.is_success:
                    await answer.aread()
                    _require_success(answer)
                async for piece in answer.aiter_bytes():
                    yield piece
        except httpx2.HTTPError as error:
            raise ExternalServiceError(f"the LLM Provider does not answer: {error!r}") from error

    async def _post(self, path: str, *, content: str = "") -> httpx2.Response:
        return await self._send("POST", path, content=content)

    async def _send(
        self, method: str, path: str, *, content: str = "", query: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        try:
            return await self._client.request(
                method,
                f"{self._base_url}{path}",
                content=content,
                params=query or None,
                headers={"content-type": "application/json"},
                timeout=TIMEOUT_SECONDS,
                auth=self._token,
            )
        except httpx2.HTTPError as error:
            raise ExternalServiceError(f"the LLM Provider does not answer: {error!r}") from error

    def _item(self, request: JudgeRequest) -> ComparisonBatchItem:
        return ComparisonBatchItem(
            idempotency_key=str(request.attempt_id),
            user_prompt=PROMPT,
            prompt_blocks=request.blocks,
            callback_topic=self._callback_topic,
            callback_url=self._callback_url,
            llm_config_overrides=request.overrides,
            correlation_id=request.correlation_id,
            user_id=request.user_id,
            max_cost_usd=request.max_cost_usd,
            allowed_regions=request.allowed_regions,
            latency=Latency.RELAXED if request.is_relaxed else Latency.LIVE,
            traceparent=None if request.trace is None else request.trace.traceparent,
            tracestate=None if request.trace is None else request.trace.tracestate,
            metadata={
                "essay_a_id": request.essay_a_id,
                "essay_b_id": request.essay_b_id,
                "bos_batch_id": request.batch_id,
                "attempt_id": str(request.attempt_id),
                "repetition": request.repetition,
                "service_name": SourceService.CJ_ASSESSMENT.value,
                "organization_id": request.org_id,
            },
        )


def _admin_path(batch_id: BatchId) -> str:
    return f"/admin/v1/batches/{quote(batch_id, safe='')}"


def _require_success(answer: httpx2.Response) -> None:
    if answer.status_code == 503:
        asked = retry_after_seconds(answer.headers.get("Retry-After"))
        raise Unavailable(
            f"the LLM Provider is busy: {_reason(answer)}; it is asked again",
            retry_after=DEFAULT_RETRY_SECONDS if asked is None else asked,
        )
    if not answer.is_success:
        raise ExternalServiceError(f"the LLM Provider answered {answer.status_code}: {_reason(answer)}")


def _refused_as_a_whole(answer: httpx2.Response) -> SubmissionRefused:
    detail = error_detail(answer.content)
    code = _SUBMISSION_REJECTED.get(answer.status_code, ErrorCode.VALIDATION_ERROR)
    return SubmissionRefused(_reason(answer), error_code=detail.error_code if detail else code)


def _reason(answer: httpx2.Response) -> str:
    """What the LLM Provider says; something else that answers in its place is quoted."""
    detail = error_detail(answer.content)
    return (detail.message if detail else answer.text)[:MAX_REASON_CHARACTERS]


def _submitted(attempts: Sequence[AttemptId], body: bytes) -> Submitted:
    try:
        items = ComparisonBatchAnswer.model_validate_json(body).items
    except ValidationError as error:
        raise ExternalServiceError("the LLM Provider's answer violates its contract") from error
    if len(items) != len(attempts):
        raise ExternalServiceError("the LLM Provider returned a different number of items than were sent")
    answered = list(zip(attempts, items, strict=True))
    errors = [_refusal(attempt, item.error) for attempt, item in answered if item.error]
    return Submitted(
        accepted={attempt: str(item.accepted.queue_id) for attempt, item in answered if item.accepted},
        refused=[error for error in errors if error.error_code not in _POSTPONED_CODES],
        postponed=[error for error in errors if error.error_code in _POSTPONED_CODES],
    )


def _refusal(attempt: AttemptId, error: ErrorDetail) -> Refusal:
    return Refusal(attempt_id=attempt, error_code=error.error_code, message=error.message)
