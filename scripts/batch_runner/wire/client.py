"""The CJ Assessment service as the runner uses it, over HTTP."""

from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote

import httpx2
import stamina
from event_contracts import (
    AnchorRegistration,
    AnchorView,
    AssessmentAccepted,
    AssignmentAnchors,
    BatchResultsView,
    BatchStatusView,
    ComparisonPage,
    ContentStored,
    ELS_CJAssessmentRequestV1,
    ErrorBody,
    EventEnvelope,
    ExternalServiceError,
    InvalidRequest,
    WireModel,
    validation_reasons,
)
from pydantic import ValidationError

AnswerT = TypeVar("AnswerT", bound=WireModel)
PAGE: Final = 1000
TIMEOUT_SECONDS: Final = 30.0
RETRY_TIMEOUT_SECONDS: Final = 60.0
"""How long a request is repeated while the service is unavailable or busy; every one of them may be repeated."""
MAX_RETRY_DELAY_SECONDS: Final = 15.0

_TRY_LATER: Final = frozenset({429, 502, 503, 504})
_SHOWN: Final = 200


class ServiceRefused(InvalidRequest):
    """The service answered with an error that the caller can put right; ``service_code`` is its own code."""

    def __init__(self, message: str, *, status: int, service_code: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.service_code = service_code


class ServiceUnavailable(ExternalServiceError):
    """The service did not answer, or asked to be left alone for ``retry_after`` seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, kw_only=True)
class AssessmentClient:
    """Raises ``ServiceRefused`` for a 4xx and ``ExternalServiceError`` when the service fails or is unavailable."""

    http: httpx2.AsyncClient
    base_url: str
    retry_timeout: float = RETRY_TIMEOUT_SECONDS

    async def store_text(self, text: str) -> str:
        """Upload a text; returns its storage id."""
        answer = await self._send(
            ContentStored, "POST", "/v1/content", content=text.encode(), kind="text/plain; charset=utf-8"
        )
        return answer.storage_id

    async def stored_text(self, storage_id: str) -> bytes:
        """The bytes of a text that was uploaded; raises ``ServiceRefused`` where it is not there."""
        return (await self._answer("GET", f"/v1/content/{quote(storage_id, safe='')}")).content

    async def register_anchor(self, registration: AnchorRegistration) -> None:
        """Register or replace an anchor."""
        body = registration.model_dump_json().encode()
        await self._send(AnchorView, "POST", "/api/v1/anchors/register", content=body)

    async def anchors(self, assignment_id: str) -> AssignmentAnchors:
        """The anchors that are registered for an assignment."""
        return await self._send(
            AssignmentAnchors, "GET", f"/api/v1/anchors/assignment/{quote(assignment_id, safe='')}"
        )

    async def start(self, envelope: EventEnvelope[ELS_CJAssessmentRequestV1]) -> AssessmentAccepted:
        """Start an assessment; repeating the same request changes nothing."""
        return await self._send(AssessmentAccepted, "POST", "/api/v1/assessments", content=envelope.to_json())

    async def status(self, batch_id: str) -> BatchStatusView:
        """The state, progress and cost of a batch."""
        return await self._send(BatchStatusView, "GET", _batch(batch_id))

    async def results(self, batch_id: str) -> BatchResultsView:
        """The published results."""
        return await self._send(BatchResultsView, "GET", f"{_batch(batch_id)}/results")

    async def cancel(self, batch_id: str) -> None:
        """Stop judging."""
        await self._send(AssessmentAccepted, "POST", f"{_batch(batch_id)}/cancel")

    async def comparisons(self, batch_id: str, *, cursor: str | None = None) -> ComparisonPage:
        """One page of comparisons."""
        query = f"?limit={PAGE}" + (f"&cursor={cursor}" if cursor else "")
        return await self._send(ComparisonPage, "GET", f"{_batch(batch_id)}/comparisons{query}")

    async def check_ready(self) -> None:
        """Raise ``ExternalServiceError`` immediately unless the service can do its work now."""
        answer = await self._exchange(self._request("GET", "/readyz"))
        if not answer.is_success:
            raise ExternalServiceError(f"{self.base_url} is not ready: {answer.text[:_SHOWN]}")

    async def _send(
        self,
        model: type[AnswerT],
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        kind: str = "application/json",
    ) -> AnswerT:
        return _parsed(model, await self._answer(method, path, content=content, kind=kind))

    async def _answer(
        self, method: str, path: str, *, content: bytes | None = None, kind: str | None = None
    ) -> httpx2.Response:
        request = self._request(method, path, content=content, kind=kind)
        async for attempt in stamina.retry_context(
            _retry_delay, attempts=None, timeout=self.retry_timeout, wait_initial=0.2, wait_jitter=0.2
        ):
            with attempt:
                answer = await self._exchange(request)
                if answer.is_error:
                    raise _error(answer)
        return answer

    def _request(
        self, method: str, path: str, *, content: bytes | None = None, kind: str | None = None
    ) -> httpx2.Request:
        try:
            return self.http.build_request(
                method,
                f"{self.base_url}{path}",
                content=content,
                headers={"content-type": kind} if content is not None and kind is not None else {},
                timeout=TIMEOUT_SECONDS,
            )
        except httpx2.InvalidURL as error:
            raise InvalidRequest(f"--url {self.base_url} is not an address: {error}") from error

    async def _exchange(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self.http.send(request)
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ServiceUnavailable(
                f"no answer from {self.base_url} ({reason}): is the suite up? Start it with cj-suite up, or"
                " say with --url where it is"
            ) from error


def _batch(batch_id: str) -> str:
    return f"/api/v1/batches/{quote(batch_id, safe='')}"


def _retry_delay(error: Exception) -> bool | float:
    """False for no retry, True for one after the usual delay, or the seconds that the service asked for."""
    if not isinstance(error, ServiceUnavailable):
        return False
    return True if error.retry_after is None else min(error.retry_after, MAX_RETRY_DELAY_SECONDS)


def _parsed(model: type[AnswerT], answer: httpx2.Response) -> AnswerT:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        reasons = "; ".join(validation_reasons(error)[:3])
        raise ExternalServiceError(
            f"{_asked(answer)} returned an invalid response ({reasons}):"
            " is this the CJ Assessment service, and of the same version as cj-run?"
        ) from error


def _error(answer: httpx2.Response) -> Exception:
    message, code = _reason(answer)
    if answer.status_code in _TRY_LATER:
        return ServiceUnavailable(
            f"the service cannot answer now: {message}", retry_after=_retry_after(answer)
        )
    if answer.is_client_error:
        return ServiceRefused(message, status=answer.status_code, service_code=code)
    return ExternalServiceError(f"the service failed with {answer.status_code}: {message}")


def _reason(answer: httpx2.Response) -> tuple[str, str | None]:
    try:
        detail = ErrorBody.model_validate_json(answer.content).error
    except ValidationError:
        reason = f"{_asked(answer)} was answered with {answer.status_code} {answer.text[:_SHOWN]!r}"
        return f"{reason}: is this the CJ Assessment service?", None
    return detail.message, detail.error_code


def _asked(answer: httpx2.Response) -> str:
    return f"{answer.request.method} {answer.request.url}"


def _retry_after(answer: httpx2.Response) -> float | None:
    seconds = answer.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else None
