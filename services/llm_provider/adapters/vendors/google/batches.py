"""Google: batch jobs of the Gemini API, at half the price, answered within a day.

As https://ai.google.dev/gemini-api/docs/batch-api gives them: a file of requests goes up, a job is made of it,
and a file of answers comes down. Google deletes the files after two days.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import httpx2
from event_contracts import JsonObject
from model_manifest.endpoints import without_version
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from llm_provider.adapters.vendor_api.batch_items import json_lines, read_outcomes, require_size, single_model
from llm_provider.adapters.vendor_api.connection import JOB_SECONDS, Access, Answer
from llm_provider.adapters.vendor_api.failures import ErrorObject, error_of, failure
from llm_provider.adapters.vendors.google.generate_content import (
    VENDOR,
    Generated,
    generate_body,
    google_connection,
)
from llm_provider.domain.calls.errors import JudgeUnavailable
from llm_provider.ports import BatchItem, BatchJobState, BatchJobView, BatchOutcome, JudgeReply

MAX_ITEMS: Final = 50_000

_MEDIA_TYPE: Final = "application/jsonl"
_STATES: Final = {
    "SUCCEEDED": BatchJobState.ENDED,
    "PARTIALLY_SUCCEEDED": BatchJobState.ENDED,
    "CANCELLED": BatchJobState.ENDED,
    "EXPIRED": BatchJobState.FAILED,
    "FAILED": BatchJobState.FAILED,
}
_INTERNAL: Final = 13
_STATUS_OF_RPC_CODE: Final = {
    3: 400,
    4: 504,
    5: 404,
    7: 403,
    8: 429,
    9: 400,
    11: 400,
    _INTERNAL: 500,
    14: 503,
    16: 401,
}


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _File(_Wire):
    name: str


class _Uploaded(_Wire):
    file: _File


class _Output(_Wire):
    responses_file: str | None = None


class _Metadata(_Wire):
    state: str
    model: str = ""
    output: _Output = _Output()


class _Job(_Wire):
    name: str
    metadata: _Metadata
    error: ErrorObject | None = None

    @property
    def state(self) -> str:
        """``SUCCEEDED`` of ``BATCH_STATE_SUCCEEDED`` and ``JOB_STATE_SUCCEEDED``."""
        return self.metadata.state.rpartition("_STATE_")[2]


class _Line(_Wire):
    response: Generated | None = None
    error: ErrorObject | None = None


class GoogleBatches:
    """Batch jobs of Google's: each is for one model."""

    def __init__(self, client: httpx2.AsyncClient, *, access: Access) -> None:
        below_models = replace(access, base_url=without_version(access.base_url))
        self._connection = google_connection(client, below_models, read_timeout=JOB_SECONDS)
        self._own_fields = access.own_fields

    async def submit(self, items: Sequence[BatchItem]) -> str:
        require_size(VENDOR, items, at_most=MAX_ITEMS)
        model = single_model(VENDOR, items)
        requests: list[JsonObject] = [
            {"key": item.custom_id, "request": generate_body(item.call, own_fields=self._own_fields)}
            for item in items
        ]
        source: JsonObject = {"fileName": await self._upload(json_lines(requests))}
        job: JsonObject = {"batch": {"displayName": f"{len(items)} comparisons", "inputConfig": source}}
        answer = await self._connection.post(f"/v1/models/{model}:batchGenerateContent", job)
        return self._connection.parse(answer.content, _Job).name

    async def view(self, job_id: str) -> BatchJobView:
        job = await self._job(job_id)
        state = _STATES.get(job.state, BatchJobState.RUNNING)
        return BatchJobView(state=state, reason=_reason(job) if state is BatchJobState.FAILED else None)

    async def outcomes(self, job_id: str) -> AsyncIterator[BatchOutcome]:
        job = await self._job(job_id)
        file, model = job.metadata.output.responses_file, job.metadata.model.removeprefix("models/")
        if file is not None:
            path, reply_of = f"/v1/{file}:download?alt=media", partial(_reply, model=model)
            async for outcome in read_outcomes(self._connection, path, _Line, reply_of):
                yield outcome

    async def cancel(self, job_id: str) -> None:
        await self._connection.post(f"/v1/{job_id}:cancel")

    async def _job(self, job_id: str) -> _Job:
        answer = await self._connection.get(f"/v1/{job_id}")
        return self._connection.parse(answer.content, _Job)

    async def _upload(self, requests: bytes) -> str:
        """Google's resumable upload, in one piece: ask where to, then send."""
        place = await self._connection.send(
            "POST",
            "/upload/v1/files",
            json={"file": {"displayName": "comparisons"}},
            headers={
                "x-goog-upload-protocol": "resumable",
                "x-goog-upload-command": "start",
                "x-goog-upload-header-content-length": str(len(requests)),
                "x-goog-upload-header-content-type": _MEDIA_TYPE,
            },
        )
        answer = await self._connection.send(
            "POST",
            self._upload_address(place),
            content=requests,
            headers={"x-goog-upload-offset": "0", "x-goog-upload-command": "upload, finalize"},
        )
        return self._connection.parse(answer.content, _Uploaded).file.name

    def _upload_address(self, place: Answer) -> str:
        address: str | None = place.headers.get("x-goog-upload-url")
        if address is None:
            raise JudgeUnavailable(f"{VENDOR} did not say where to upload the batch job's requests")
        return address


def _reason(job: _Job) -> str:
    codes = error_of(job.error).codes if job.error else ()
    return " ".join([job.state.lower(), *codes])


def _reply(line: _Line, *, model: str) -> JudgeReply:
    if line.response is not None:
        return line.response.reply(model=model)
    error = line.error or ErrorObject()
    code = error.code if isinstance(error.code, int) else _INTERNAL
    status = _STATUS_OF_RPC_CODE.get(code, code if code >= 400 else 500)
    raise failure(VENDOR, status, error_of(error))
