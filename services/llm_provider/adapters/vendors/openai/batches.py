"""OpenAI: the Batch API over Responses, at half the price, answered within a day.

As https://developers.openai.com/api/docs/guides/batch gives it: a file of requests goes up, a file of answers
and one of errors come down. The files hold students' essays, so all of them are made to expire.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

import httpx2
from event_contracts import JsonObject
from pydantic import BaseModel

from llm_provider.adapters.vendor_api.batch_items import (
    json_lines,
    read_outcomes,
    require_size,
    single_model,
    unprocessed_error,
)
from llm_provider.adapters.vendor_api.connection import JOB_SECONDS, Access
from llm_provider.adapters.vendor_api.failures import ErrorObject, VendorError, error_of, failure
from llm_provider.adapters.vendor_api.wire_types import CallId
from llm_provider.adapters.vendors.openai.responses import (
    VENDOR,
    Response,
    openai_connection,
    response_body,
)
from llm_provider.domain.calls.errors import JudgeError
from llm_provider.ports import BatchItem, BatchJobState, BatchJobView, BatchOutcome, JudgeReply

MAX_ITEMS: Final = 50_000
FILES_EXPIRE_AFTER_SECONDS: Final = 7 * 24 * 3600

_ENDPOINT: Final = "/v1/responses"
_STATES: Final = {
    "completed": BatchJobState.ENDED,
    "expired": BatchJobState.ENDED,
    "cancelled": BatchJobState.ENDED,
    "failed": BatchJobState.FAILED,
}


class _File(BaseModel):
    id: str


class _Problem(BaseModel):
    code: str | None = None


class _Problems(BaseModel):
    data: list[_Problem] | None = None


class _Batch(BaseModel):
    id: str
    status: str
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: _Problems | None = None


class _FailedBody(BaseModel):
    error: ErrorObject


class _Answered(BaseModel):
    status_code: int
    request_id: CallId = None
    body: Response | _FailedBody


class _Line(BaseModel):
    response: _Answered | None = None
    error: ErrorObject | None = None


class OpenAiBatches:
    """Batch jobs of OpenAI's: each is for one model."""

    def __init__(self, client: httpx2.AsyncClient, *, access: Access) -> None:
        self._connection = openai_connection(client, access, read_timeout=JOB_SECONDS)
        self._own_fields = access.own_fields

    async def submit(self, items: Sequence[BatchItem]) -> str:
        require_size(VENDOR, items, at_most=MAX_ITEMS)
        single_model(VENDOR, items)
        expiry: JsonObject = {"anchor": "created_at", "seconds": FILES_EXPIRE_AFTER_SECONDS}
        job: JsonObject = {
            "input_file_id": await self._upload(self._lines(items)),
            "endpoint": _ENDPOINT,
            "completion_window": "24h",
            "output_expires_after": expiry,
        }
        answer = await self._connection.post("/v1/batches", job)
        return self._connection.parse(answer.content, _Batch).id

    async def view(self, job_id: str) -> BatchJobView:
        job = await self._job(job_id)
        state = _STATES.get(job.status, BatchJobState.RUNNING)
        return BatchJobView(state=state, reason=_reason(job) if state is BatchJobState.FAILED else None)

    async def outcomes(self, job_id: str) -> AsyncIterator[BatchOutcome]:
        job = await self._job(job_id)
        for file in filter(None, (job.output_file_id, job.error_file_id)):
            async for outcome in read_outcomes(self._connection, f"/v1/files/{file}/content", _Line, _reply):
                yield outcome

    async def cancel(self, job_id: str) -> None:
        await self._connection.post(f"/v1/batches/{job_id}/cancel")

    def _lines(self, items: Sequence[BatchItem]) -> bytes:
        return json_lines([_request(item, own_fields=self._own_fields) for item in items])

    async def _job(self, job_id: str) -> _Batch:
        answer = await self._connection.get(f"/v1/batches/{job_id}")
        return self._connection.parse(answer.content, _Batch)

    async def _upload(self, requests: bytes) -> str:
        answer = await self._connection.send(
            "POST",
            "/v1/files",
            form={
                "purpose": "batch",
                "expires_after[anchor]": "created_at",
                "expires_after[seconds]": str(FILES_EXPIRE_AFTER_SECONDS),
            },
            files={"file": ("comparisons.jsonl", requests, "application/jsonl")},
        )
        return self._connection.parse(answer.content, _File).id


def _request(item: BatchItem, *, own_fields: bool) -> JsonObject:
    return {
        "custom_id": item.custom_id,
        "method": "POST",
        "url": _ENDPOINT,
        "body": response_body(item.call, own_fields=own_fields),
    }


def _reason(job: _Batch) -> str:
    codes = [problem.code for problem in (job.errors and job.errors.data) or () if problem.code]
    return ", ".join(dict.fromkeys(codes)) or "no reason given"


def _reply(line: _Line) -> JudgeReply:
    answered = line.response
    if answered is None:
        raise _unanswered(line.error)
    if isinstance(answered.body, _FailedBody):
        raise failure(VENDOR, answered.status_code, error_of(answered.body.error))
    return replace(answered.body.reply(), vendor_request_id=answered.request_id)


def _unanswered(error: ErrorObject | None) -> JudgeError:
    if error is None:
        return failure(VENDOR, 500, VendorError())
    if error.code in ("batch_expired", "batch_cancelled"):
        return unprocessed_error(VENDOR, expired=error.code == "batch_expired")
    return failure(VENDOR, 500, error_of(error))
