"""Facts about a batch that other services know: the content store, CJ Assessment, the LLM Provider."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from time import time
from typing import Final, TypeVar
from urllib.parse import quote

import httpx2
import jwt
from event_contracts import AssignmentAnchors, LargeCount, Money, SourceService, WireModel
from pydantic import BaseModel, ValidationError

from batch_conductor.domain.gates import FactUnknown
from batch_conductor.domain.pipeline import BatchId

TIMEOUT_SECONDS: Final = 5.0
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
LONGEST_RETRY_SECONDS: Final = 60.0
TOKEN_SECONDS: Final = 60

ModelT = TypeVar("ModelT", bound=BaseModel)

Bearer = Callable[[], str | None]
"""The token to show to CJ Assessment's administrators' routes; None where there is none."""


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
    """Base URLs of the services that know the facts; None where an installation has no such service."""

    content: str | None
    cj_assessment: str | None
    llm_provider: str | None


class PlatformFacts:
    """Implements ``ports.Facts`` over HTTP; what is not a clear answer is ``FactUnknown``."""

    def __init__(self, client: httpx2.AsyncClient, *, addresses: Addresses, bearer: Bearer) -> None:
        self._client = client
        self._addresses = addresses
        self._bearer = bearer

    async def has_text(self, storage_id: str) -> bool:
        base = _known(self._addresses.content, "content store", "CONTENT_SERVICE_URL")
        url = f"{base}/v1/content/{quote(storage_id, safe='')}"
        return (await self._get(url, service="the content store", reads_body=False)).found

    async def has_prompt(self, assignment_id: str) -> bool:
        base = _known(self._addresses.cj_assessment, "CJ Assessment", "CJ_ASSESSMENT_URL")
        url = f"{base}/admin/v1/student-prompts/assignment/{quote(assignment_id, safe='')}"
        token = self._bearer()
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return (await self._get(url, service="CJ Assessment", reads_body=False, headers=headers)).found

    async def has_anchors(self, assignment_id: str) -> bool:
        base = _known(self._addresses.cj_assessment, "CJ Assessment", "CJ_ASSESSMENT_URL")
        url = f"{base}/api/v1/anchors/assignment/{quote(assignment_id, safe='')}"
        answer = await self._get(url, service="CJ Assessment")
        return answer.found and bool(_read(AssignmentAnchors, answer, "CJ Assessment").anchors)

    async def spent_usd(self, batch_id: BatchId) -> Decimal:
        base = _known(self._addresses.llm_provider, "LLM Provider", "LLM_PROVIDER_URL")
        query = httpx2.QueryParams({"by": "batch_id", "batch_id": batch_id})
        answer = await self._get(f"{base}/api/v1/costs?{query}", service="the LLM Provider")
        total = _read(_CostReport, answer, "the LLM Provider").total
        if total.unpriced_calls:
            raise FactUnknown(
                f"{total.unpriced_calls} calls of the batch have no known price",
                what_to_do="leave batch_metadata.max_cost_usd out, or use a model whose price is known",
            )
        return total.cost_usd

    async def _get(
        self, url: str, *, service: str, reads_body: bool = True, headers: dict[str, str] | None = None
    ) -> _Answer:
        try:
            async with self._client.stream("GET", url, headers=headers, timeout=TIMEOUT_SECONDS) as answer:
                _check_status(answer, service)
                body = await _bounded_body(answer, service) if reads_body and answer.is_success else b""
                return _Answer(found=answer.is_success, body=body)
        except httpx2.HTTPError as error:
            raise FactUnknown(f"{service} does not answer ({type(error).__name__})") from error


def _known(address: str | None, service: str, setting: str) -> str:
    if address is None:
        raise FactUnknown(
            f"this installation does not say where its {service} is",
            what_to_do=f"have an operator set BATCH_CONDUCTOR_{setting}",
            retry_after=LONGEST_RETRY_SECONDS,
        )
    return address.rstrip("/")


def _check_status(answer: httpx2.Response, service: str) -> None:
    if answer.is_success or answer.status_code == 404:
        return
    if answer.status_code in (401, 403):
        raise FactUnknown(
            f"{service} does not let the conductor in ({answer.status_code})",
            what_to_do="have an operator set BATCH_CONDUCTOR_CJ_ASSESSMENT_TOKEN, or the jwt_secret of both",
            retry_after=LONGEST_RETRY_SECONDS,
        )
    raise FactUnknown(f"{service} answered {answer.status_code}", retry_after=_retry_after(answer))


def _retry_after(answer: httpx2.Response) -> float:
    asked = answer.headers.get("Retry-After", "")
    return min(max(float(asked), 1.0), LONGEST_RETRY_SECONDS) if asked.isascii() and asked.isdigit() else 5.0


async def _bounded_body(answer: httpx2.Response, service: str) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise FactUnknown(f"{service} answered with more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _read(model: type[ModelT], answer: _Answer, service: str) -> ModelT:
    if not answer.found:
        raise FactUnknown(f"{service} has no such route")
    try:
        return model.model_validate_json(answer.body)
    except ValidationError as error:
        raise FactUnknown(f"{service} answered against its contract") from error


def signed_token(secret: str, *, issuer: str, audience: str) -> str:
    """A token of a minute for this service itself, where services share the secret of HS256 tokens."""
    now = int(time())
    claims = {
        "sub": SourceService.BATCH_CONDUCTOR.value,
        "iss": issuer,
        "aud": audience,
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        "roles": ["admin"],
    }
    return jwt.encode(claims, secret, algorithm="HS256")
