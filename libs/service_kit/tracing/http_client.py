"""A span for each HTTP request that a service makes of another, which gets its trace context."""

from typing import Any

import httpx2

from service_kit.tracing.port import Attribute, SpanKind, Tracing, current_trace


class TracedClient(httpx2.AsyncClient):
    """Continues the current span; a request outside of any span is no part of a trace."""

    def __init__(self, tracing: Tracing, **options: Any) -> None:
        super().__init__(**options)
        self._tracing = tracing

    async def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        """Send a request with ``traceparent``."""
        if current_trace() is None:
            return await super().send(request, **how)
        attributes: dict[str, Attribute] = {
            "http.request.method": request.method,
            "server.address": request.url.host,
            "server.port": request.url.port or (443 if request.url.scheme == "https" else 80),
        }
        with self._tracing.span(request.method, kind=SpanKind.CLIENT, attributes=attributes) as span:
            if span.context is not None:
                request.headers.update(span.context.fields())
            answer = await super().send(request, **how)
            span.note({"http.response.status_code": answer.status_code})
            if answer.is_error:
                span.failed(str(answer.status_code))
            return answer


def traced_client(tracing: Tracing, **options: Any) -> httpx2.AsyncClient:
    """A client for other services; ``options`` are those of ``httpx2.AsyncClient``."""
    return TracedClient(tracing, **options) if tracing.is_on else httpx2.AsyncClient(**options)
