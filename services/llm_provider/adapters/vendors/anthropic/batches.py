"""Anthropic: Message Batches, at half the price, answered within a day.

As https://platform.claude.com/docs/en/build-with-claude/batch-processing gives them.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Final, Literal

import httpx2
from event_contracts import JsonObject
from pydantic import BaseModel, Field

from llm_provider.adapters.vendor_api.batch_items import read_outcomes, require_size, unprocessed_error
from llm_provider.adapters.vendor_api.connection import JOB_SECONDS, Access
from llm_provider.adapters.vendor_api.failures import ErrorObject, error_of, failure
from llm_provider.adapters.vendors.anthropic.messages import (
    VENDOR,
    Message,
    anthropic_connection,
    message_body,
    version_for,
)
from llm_provider.ports import BatchItem, BatchJobState, BatchJobView, BatchOutcome, JudgeReply

MAX_ITEMS: Final = 100_000

_STATUS_OF_TYPE: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class _Batch(BaseModel):
    id: str
    processing_status: Literal["in_progress", "canceling", "ended"]


class _Succeeded(BaseModel):
    type: Literal["succeeded"]
    message: Message


class _ErrorResponse(BaseModel):
    error: ErrorObject


class _Errored(BaseModel):
    type: Literal["errored"]
    error: _ErrorResponse


class _NeverJudged(BaseModel):
    type: Literal["canceled", "expired"]


class _Line(BaseModel):
    result: Annotated[_Succeeded | _Errored | _NeverJudged, Field(discriminator="type")]


class AnthropicBatches:
    """Batch jobs of Anthropic's: one request submits a job, and its results are one file."""

    def __init__(self, client: httpx2.AsyncClient, *, access: Access) -> None:
        self._connection = anthropic_connection(client, access, read_timeout=JOB_SECONDS)
        self._access = access

    async def submit(self, items: Sequence[BatchItem]) -> str:
        require_size(VENDOR, items, at_most=MAX_ITEMS)
        requests: JsonObject = {
            "requests": [{"custom_id": item.custom_id, "params": message_body(item.call)} for item in items]
        }
        version = version_for((item.call.parameters for item in items), access=self._access)
        answer = await self._connection.post("/v1/messages/batches", requests, headers=version)
        return self._connection.parse(answer.content, _Batch).id

    async def view(self, job_id: str) -> BatchJobView:
        answer = await self._connection.get(f"/v1/messages/batches/{job_id}")
        ended = self._connection.parse(answer.content, _Batch).processing_status == "ended"
        return BatchJobView(state=BatchJobState.ENDED if ended else BatchJobState.RUNNING)

    def outcomes(self, job_id: str) -> AsyncIterator[BatchOutcome]:
        return read_outcomes(self._connection, f"/v1/messages/batches/{job_id}/results", _Line, _reply)

    async def cancel(self, job_id: str) -> None:
        await self._connection.post(f"/v1/messages/batches/{job_id}/cancel")


def _reply(line: _Line) -> JudgeReply:
    match line.result:
        case _Succeeded(message=message):
            return message.reply()
        case _Errored(error=response):
            status = _STATUS_OF_TYPE.get(response.error.type or "", 500)
            raise failure(VENDOR, status, error_of(response.error))
        case _NeverJudged(type=why):
            raise unprocessed_error(VENDOR, expired=why == "expired")
