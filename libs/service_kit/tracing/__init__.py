"""Spans of a trace: where a request, a message or a batch has been, and how long that took.

``open_telemetry`` is the one module that knows OpenTelemetry. It is imported where a service exports spans, and nowhere
else: without that, ``NO_TRACING`` does nothing.
"""

from service_kit.tracing.port import (
    NO_TRACING,
    Attribute,
    Span,
    SpanKind,
    Tracing,
    current_trace,
    in_current_trace,
    trace_of_headers,
)

__all__ = [
    "NO_TRACING",
    "Attribute",
    "Span",
    "SpanKind",
    "Tracing",
    "current_trace",
    "in_current_trace",
    "trace_of_headers",
]
