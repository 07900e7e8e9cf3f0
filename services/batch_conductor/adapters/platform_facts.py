"""Facts about a batch that other services know: the content store, CJ Assessment, the LLM Provider."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar
from urllib.parse import quote

import httpx2
from event_contracts import (
    AssignmentAnchors,
    LargeCount,
    Money,
    WireModel,
    error_detail,
    retry_after_seconds,
)
from pydantic import BaseModel, ValidationError
from service_kit.http.bounded_body import TooLong, bounded_body
from service_kit.http.error_answers import NO_SUCH_ROUTE

from batch_conductor.domain.gates import FactUnknown
from batch_conductor.domain.pipeline import BatchId

TIMEOUT_SECONDS: Final = 5.0
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
DEFAULT_FACT_RETRY_SECONDS: Final = 5.0
MAX_FACT_RETRY_SECONDS: Final = 60.0

ModelT = TypeVar("ModelT", bound=BaseModel)


class _Cost(WireModel):
    calls: LargeCount
    unpriced_calls: LargeCount
    cost_usd: Money


class _CostReport(WireModel):
    """GET /api/v1/costs of the LLM Provider, as far as it is read here."""

    total: _Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    found: bool
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Base URLs of the services that know the facts; None where an installation has no such service.

    Without a content store of its own, the texts are those of CJ Assessment.
    """

    content: str | None
    cj_assessment: str | None
    llm_provider: str | None


class PlatformFacts:
    """Implements ``ports.Facts`` over HTTP; what is not a clear answer is ``FactUnknown``.

    ``auth`` shows the conductor's token to the suite's own services, never to another content store.
    """

    def __init__(self, client: httpx2.AsyncClient, *, addresses: Addresses, auth: httpx2.Auth | None) -> None:
        self._client = client
        self._addresses = addresses
        self._auth = auth

    async def has_text(self, storage_id: str) -> bool:
        own = self._addresses.content
        auth = self._auth if own is None else None
        base = _known(own or self._addresses.cj_assessment, "content store", "CONTENT_SERVICE_URL")
        url = f"{base}/v1/content/{quote(storage_id, safe='')}"
        return (await self._get(url, service="the content store", auth=auth, reads_body=False)).found

    async def has_prompt(self, assignment_id: str) -> bool:
        base = _known(self._addresses.cj_assessment, "CJ Assessment", "CJ_ASSESSMENT_URL")
        url = f"{base}/admin/v1/student-prompts/assignment/{quote(assignment_id, safe='')}"
        answer = await self._get(url, service="CJ Assessment", auth=self._auth)
        # An installation without administrators' routes knows nothing about prompts: that is not "no prompt".
        if not answer.found and _has_no_such_route(answer):
            raise FactUnknown(
                "CJ Assessment has no route for an assignment's prompt",
                what_to_do="have an operator update it; or send batch_metadata.student_prompt_ref",
                retry_after=MAX_FACT_RETRY_SECONDS,
            )
        return answer.found

    async def has_anchors(self, assignment_id: str) -> bool:
        base = _known(self._addresses.cj_assessment, "CJ Assessment", "CJ_ASSESSMENT_URL")
        url = f"{base}/api/v1/anchors/assignment/{quote(assignment_id, safe='')}"
        answer = await self._get(url, service="CJ Assessment", auth=self._auth)
        return answer.found and bool(_read(AssignmentAnchors, answer, "CJ Assessment").anchors)

    async def spent_usd(self, batch_id: BatchId) -> Decimal:
        base = _known(self._addresses.llm_provider, "LLM Provider", "LLM_PROVIDER_URL")
        query = httpx2.QueryParams({"by": "batch_id", "batch_id": batch_id})
        url = f"{base}/api/v1/costs?{query}"
        answer = await self._get(url, service="the LLM Provider", auth=self._auth)
        total = _read(_CostReport, answer, "the LLM Provider").total
        if total.unpriced_calls:
            raise FactUnknown(
                f"{total.unpriced_calls} calls of the batch have no known price",
                what_to_do="leave batch_metadata.max_cost_usd out, or use a model whose price is known",
            )
        return total.cost_usd

    async def _get(
        self, url: str, *, service: str, auth: httpx2.Auth | None, reads_body: bool = True
    ) -> _Answer:
        try:
            async with self._client.stream("GET", url, auth=auth, timeout=TIMEOUT_SECONDS) as answer:
                _check_status(answer, service)
                body = await _body(answer, service) if reads_body else b""
                return _Answer(found=answer.is_success, body=body)
        except httpx2.HTTPError as error:
            raise FactUnknown(f"{service} does not answer ({type(error).__name__})") from error


def _has_no_such_route(answer: _Answer) -> bool:
    detail = error_detail(answer.body)
    return detail is not None and detail.details.get("reason") == NO_SUCH_ROUTE


def _known(address: str | None, service: str, setting: str) -> str:
    if address is None:
        raise FactUnknown(
            f"this installation does not say where its {service} is",
            what_to_do=f"have an operator set BATCH_CONDUCTOR_{setting}",
            retry_after=MAX_FACT_RETRY_SECONDS,
        )
    return address.rstrip("/")


def _check_status(answer: httpx2.Response, service: str) -> None:
    if answer.is_success or answer.status_code == 404:
        return
    if answer.status_code in (401, 403):
        raise FactUnknown(
            f"{service} rejects the conductor's token ({answer.status_code})",
            what_to_do="have an operator set the same SERVICE_SECRET and JWT_AUDIENCE for both",
            retry_after=MAX_FACT_RETRY_SECONDS,
        )
    raise FactUnknown(f"{service} answered {answer.status_code}", retry_after=_retry_after(answer))


def _retry_after(answer: httpx2.Response) -> float:
    asked = retry_after_seconds(answer.headers.get("Retry-After"))
    return DEFAULT_FACT_RETRY_SECONDS if asked is None else min(max(asked, 1.0), MAX_FACT_RETRY_SECONDS)


async def _body(answer: httpx2.Response, service: str) -> bytes:
    body = await bounded_body(answer.aiter_bytes(), max_bytes=MAX_ANSWER_BYTES)
    if isinstance(body, TooLong):
        raise FactUnknown(f"{service} answered with more than {MAX_ANSWER_BYTES} bytes")
    return body


def _read(model: type[ModelT], answer: _Answer, service: str) -> ModelT:
    if not answer.found:
        raise FactUnknown(f"{service} has no such route")
    try:
        return model.model_validate_json(answer.body)
    except ValidationError as error:
        raise FactUnknown(f"{service} violated its contract") from error
