"""A span for each HTTP request that a service answers; health, readiness and metrics are asked too often for that."""

from typing import Any, Final, cast

from event_contracts import TraceContext
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from quart import Quart, Response, g, request

from service_kit.http.edge import AsgiApp
from service_kit.tracing import Span, SpanKind, Tracing, trace_of_headers

SPAN_KEY: Final = "service_kit.span"
UNTRACED: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class TracedRequests:
    """Opens a server span around what ``app`` does, in the trace that the caller names."""

    def __init__(self, app: AsgiApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Handle one connection's scope."""
        if scope["type"] != "http" or scope["path"] in UNTRACED:
            await self._app(scope, receive, send)
            return
        # The route is not known yet, and a path may hold anything: the method is all of the name until then.
        with self._tracing.span(
            scope["method"],
            kind=SpanKind.SERVER,
            parents=_parents(scope),
            attributes={"http.request.method": scope["method"]},
        ) as span:
            traced = {**cast("dict[str, Any]", scope), SPAN_KEY: span}
            await self._app(cast(Scope, traced), receive, send)


def _parents(scope: Any) -> tuple[TraceContext, ...]:
    trace = trace_of_headers((name.decode("latin-1"), value) for name, value in scope["headers"])
    return () if trace is None else (trace,)


def name_spans_by_route(app: Quart) -> None:
    """Let the span of a request say which route it was, how it ended, and the correlation id that logs have."""

    @app.after_request
    async def tell(response: Response) -> Response:
        span = cast("dict[str, Span | None]", request.scope).get(SPAN_KEY)
        if span is None:
            return response
        span.note(
            {
                "http.response.status_code": response.status_code,
                "correlation_id": str(g.get("correlation_id", "")),
            }
        )
        if request.url_rule is not None:
            span.rename(f"{request.method} {request.url_rule.rule}")
            span.note({"http.route": request.url_rule.rule})
        if response.status_code >= 500:
            span.failed(str(response.status_code))
        return response
