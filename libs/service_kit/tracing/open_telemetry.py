"""Tracing with OpenTelemetry; spans are sent in the background, and waited for only when the service stops."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import structlog
from event_contracts import TraceContext
from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service_kit.tracing.port import CURRENT, Attribute, Span, SpanKind

log = structlog.get_logger()

TRACES_PATH: Final = "/v1/traces"
FLUSH_SECONDS: Final = 3.0
"""How long a stopping service waits until its last spans are sent; less than it has to stop."""

LOG_INTERVAL_SECONDS: Final = 60.0
"""Lost spans are logged once per interval, not each."""

_W3C: Final = TraceContextTextMapPropagator()
_KINDS: Final = {kind: api.SpanKind[kind.name] for kind in SpanKind}


class OpenTelemetryTracing:
    """Makes spans of one service; several services of one process have one each."""

    is_on = True

    def __init__(self, processor: SpanProcessor, *, service: str) -> None:
        # Sampling and limits are OpenTelemetry's own settings: OTEL_TRACES_SAMPLER, OTEL_SPAN_…
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("service_kit")

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parents: Sequence[TraceContext] | None = None,
        attributes: Mapping[str, Attribute] | None = None,
        is_current: bool = True,
    ) -> Iterator[Span]:
        """See ``port.Tracing``."""
        current = CURRENT.get()
        continued = list(parents) if parents else [] if current is None else [current]
        contexts = [_W3C.extract(one.fields(), context=Context()) for one in continued]
        span = _Span(
            self._tracer.start_span(
                name,
                context=contexts[0] if contexts else Context(),
                kind=_KINDS[kind],
                attributes=attributes,
                links=[api.Link(api.get_current_span(one).get_span_context()) for one in contexts[1:]],
            )
        )
        token = CURRENT.set(span.context) if is_current else None
        try:
            yield span
        except Exception as error:
            span.failed(type(error).__name__)
            raise
        finally:
            if token is not None:
                CURRENT.reset(token)
            span.end()

    async def close(self) -> None:
        """Send the last spans; those that are not sent within ``FLUSH_SECONDS`` are lost, which is logged."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            if not loop.is_closed():
                loop.call_soon_threadsafe(done.set)

        # A daemon thread, because the process ends without waiting for it.
        threading.Thread(target=shut_down, name="last-spans", daemon=True).start()
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await done.wait()
        except TimeoutError:
            log.warning("traces.not_flushed", seconds=FLUSH_SECONDS)


class _Span:
    def __init__(self, span: api.Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, context=api.set_span_in_context(span, Context()))
        self.context = TraceContext.of(carrier.get("traceparent"), carrier.get("tracestate"))

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, attributes: Mapping[str, Attribute]) -> None:
        self._span.set_attributes(dict(attributes))

    def failed(self, reason: str) -> None:
        self._span.set_attribute("error.type", reason)
        self._span.set_status(api.StatusCode.ERROR)

    def end(self) -> None:
        self._span.end()


class _ReportingExporter(SpanExporter):
    """Logs once per interval that spans are lost; the exporter's own lines, one per attempt, are not shown."""

    def __init__(self, exporter: SpanExporter, *, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._logged_at = -LOG_INTERVAL_SECONDS
        self._lost = 0
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            if time.monotonic() - self._logged_at >= LOG_INTERVAL_SECONDS:
                self._logged_at = time.monotonic()
                log.warning("traces.not_delivered", endpoint=self._endpoint, lost_spans=self._lost)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def exporting_to(endpoint: str, *, service: str) -> OpenTelemetryTracing:
    """Tracing that sends its spans to an OTLP receiver over HTTP; ``endpoint`` is its address without a path."""
    exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + TRACES_PATH)
    reporting = _ReportingExporter(exporter, endpoint=endpoint)
    return OpenTelemetryTracing(BatchSpanProcessor(reporting), service=service)
