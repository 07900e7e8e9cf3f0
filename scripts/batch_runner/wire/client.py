"""The CJ Assessment service as the runner uses it, over HTTP."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx2
import stamina
from command_line.service_client import MAX_SHOWN, AnswerT, ServiceClient
from event_contracts import (
    MAX_COMPARISONS_PER_PAGE,
    AnchorRegistration,
    AnchorView,
    AssessmentAccepted,
    AssignmentAnchors,
    BatchResultsView,
    BatchStatusView,
    ComparisonPage,
    ContentStored,
    ELS_CJAssessmentRequestV1,
    EventEnvelope,
    ExternalServiceError,
)

RETRY_TIMEOUT_SECONDS: Final = 60.0
"""How long a request is repeated while the service is unavailable or busy; every one of them may be repeated."""


@dataclass(frozen=True, kw_only=True)
class AssessmentClient(ServiceClient):
    """Raises ``ServiceRefused`` for a 4xx and ``ExternalServiceError`` when the service fails or is unavailable."""

    PROGRAM = "cj-run"
    TIMEOUT_SECONDS = 30.0
    MAX_RETRY_DELAY_SECONDS = 15.0
    RETRIES_NO_ANSWER = True

    http: httpx2.AsyncClient
    retry_timeout: float = RETRY_TIMEOUT_SECONDS

    async def store_text(self, text: str) -> str:
        """Upload a text; returns its storage id."""
        answer = await self._send(
            ContentStored, "POST", "/v1/content", content=text.encode(), kind="text/plain; charset=utf-8"
        )
        return answer.storage_id

    async def stored_text(self, storage_id: str) -> bytes:
        """The bytes of a text that was uploaded; raises ``ServiceRefused`` where it is not there."""
        return (await self._answer(self.request("GET", f"/v1/content/{quote(storage_id, safe='')}"))).content

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
        query = f"?limit={MAX_COMPARISONS_PER_PAGE}" + (f"&cursor={cursor}" if cursor else "")
        return await self._send(ComparisonPage, "GET", f"{_batch(batch_id)}/comparisons{query}")

    async def check_ready(self) -> None:
        """Raise ``ExternalServiceError`` immediately unless the service can do its work now."""
        answer = await self._exchange(self.request("GET", "/readyz"))
        if not answer.is_success:
            raise ExternalServiceError(f"{self.base_url} is not ready: {answer.text[:MAX_SHOWN]}")

    async def _send(
        self,
        model: type[AnswerT],
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        kind: str = "application/json",
    ) -> AnswerT:
        return self.parsed(model, await self._answer(self.request(method, path, content=content, kind=kind)))

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        async for attempt in stamina.retry_context(
            self.retry_delay, attempts=None, timeout=self.retry_timeout, wait_initial=0.2, wait_jitter=0.2
        ):
            with attempt:
                answer = await self._exchange(request)
                if answer.is_error:
                    raise self.error(answer)
        return answer

    async def _exchange(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return self.checked(await self.http.send(request))
        except httpx2.HTTPError as error:
            raise self.no_answer(error) from error


def _batch(batch_id: str) -> str:
    return f"/api/v1/batches/{quote(batch_id, safe='')}"
