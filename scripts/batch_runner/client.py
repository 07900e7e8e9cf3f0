"""The CJ Assessment service as the runner uses it, over HTTP."""

from dataclasses import dataclass
from typing import TypeVar

import httpx2
from event_contracts import (
    AnchorRegistration,
    AssessmentAccepted,
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
)
from pydantic import ValidationError

AnswerT = TypeVar("AnswerT", bound=WireModel)
PAGE = 1000
TIMEOUT_SECONDS = 30.0


class ServiceRefused(InvalidRequest):
    """The service answered with an error that the caller can put right."""


@dataclass(frozen=True, kw_only=True)
class AssessmentClient:
    """Raises ``ServiceRefused`` for a 4xx and ``ExternalServiceError`` when the service fails or is away."""

    http: httpx2.AsyncClient
    base_url: str

    async def store_text(self, text: str) -> str:
        """Upload a text; returns its storage id."""
        answer = await self._send(
            ContentStored, "POST", "/v1/content", content=text.encode(), kind="text/plain; charset=utf-8"
        )
        return answer.storage_id

    async def register_anchor(self, registration: AnchorRegistration) -> None:
        """Register or replace an anchor."""
        await self._send(
            WireModel,
            "POST",
            "/api/v1/anchors/register",
            content=registration.model_dump_json().encode(),
        )

    async def start(self, envelope: EventEnvelope[ELS_CJAssessmentRequestV1]) -> AssessmentAccepted:
        """Ask for an assessment."""
        return await self._send(AssessmentAccepted, "POST", "/api/v1/assessments", content=envelope.to_json())

    async def status(self, batch_id: str) -> BatchStatusView:
        """How the batch stands."""
        return await self._send(BatchStatusView, "GET", f"/api/v1/batches/{batch_id}")

    async def results(self, batch_id: str) -> BatchResultsView:
        """The published results."""
        return await self._send(BatchResultsView, "GET", f"/api/v1/batches/{batch_id}/results")

    async def cancel(self, batch_id: str) -> None:
        """Stop judging."""
        await self._send(AssessmentAccepted, "POST", f"/api/v1/batches/{batch_id}/cancel")

    async def comparisons(self, batch_id: str, *, cursor: str | None = None) -> ComparisonPage:
        """One page of comparisons."""
        query = f"?limit={PAGE}" + (f"&cursor={cursor}" if cursor else "")
        return await self._send(ComparisonPage, "GET", f"/api/v1/batches/{batch_id}/comparisons{query}")

    async def check_ready(self) -> None:
        """Raise ``ExternalServiceError`` unless the service can do its work."""
        try:
            answer = await self.http.get(f"{self.base_url}/readyz", timeout=TIMEOUT_SECONDS)
        except httpx2.HTTPError as error:
            raise ExternalServiceError(_away(self.base_url, error)) from error
        if not answer.is_success:
            raise ExternalServiceError(f"{self.base_url} is not ready: {answer.text[:300]}")

    async def _send(
        self,
        model: type[AnswerT],
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        kind: str = "application/json",
    ) -> AnswerT:
        try:
            answer = await self.http.request(
                method,
                f"{self.base_url}{path}",
                content=content,
                headers={"content-type": kind} if content is not None else {},
                timeout=TIMEOUT_SECONDS,
            )
        except httpx2.HTTPError as error:
            raise ExternalServiceError(_away(self.base_url, error)) from error
        if answer.is_success:
            return model.model_validate_json(answer.content)
        raise _error(answer)


def _away(base_url: str, error: Exception) -> str:
    return f"no answer from {base_url} ({error!r}): is the suite up? Start it with cj-suite up"


def _error(answer: httpx2.Response) -> ServiceRefused | ExternalServiceError:
    try:
        message = ErrorBody.model_validate_json(answer.content).error.message
    except ValidationError:
        message = answer.text[:300]
    if answer.status_code < 500:
        return ServiceRefused(message)
    return ExternalServiceError(f"the service failed with {answer.status_code}: {message}")
