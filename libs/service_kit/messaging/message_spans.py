"""Spans for messages: one for each that is published, and one for each event that is handled."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from event_contracts import TRACEPARENT, TRACESTATE, EventEnvelope, TraceContext

from service_kit.messaging.event_bus import Headers, Message, Record
from service_kit.tracing import Span, SpanKind, Tracing, trace_of_headers

_CONTEXT: Final = frozenset({TRACEPARENT, TRACESTATE})


@dataclass(frozen=True, kw_only=True)
class Publishing:
    """Messages as they leave, and the spans of those that are part of a trace, by their places."""

    messages: Sequence[Message]
    spans: Mapping[int, Span] = field(default_factory=dict)

    def refused(self, places: Iterable[int]) -> None:
        """These were not published."""
        for place in places:
            if place in self.spans:
                self.spans[place].failed("not_published")


@contextmanager
def publishing(messages: Sequence[Message], tracing: Tracing) -> Iterator[Publishing]:
    """Open a span for each message of a trace; who reads the message continues that span."""
    if not tracing.is_on:
        yield Publishing(messages=messages)
        return
    with ExitStack() as open_spans:
        spans: dict[int, Span] = {}
        for place, message in enumerate(messages):
            if trace := trace_of_headers(message.headers):
                spans[place] = open_spans.enter_context(_publishing(message, trace, tracing))
        traced = [_continued(message, spans.get(place)) for place, message in enumerate(messages)]
        yield Publishing(messages=traced, spans=spans)


def _publishing(message: Message, trace: TraceContext, tracing: Tracing) -> AbstractContextManager[Span]:
    return tracing.span(
        f"publish {message.topic}",
        kind=SpanKind.PRODUCER,
        parents=(trace,),
        attributes={
            "messaging.operation.name": "publish",
            "messaging.destination.name": message.topic,
            "messaging.message.id": _header(message.headers, "event_id"),
            "correlation_id": _header(message.headers, "correlation_id"),
        },
        is_current=False,
    )


def _continued(message: Message, span: Span | None) -> Message:
    if span is None or span.context is None:
        return message
    others = tuple(header for header in message.headers if header[0] not in _CONTEXT)
    context = tuple((name, value.encode()) for name, value in span.context.fields().items())
    return replace(message, headers=(*others, *context))


def _header(headers: Headers, name: str) -> str:
    return next((value.decode("latin-1") for key, value in headers if key == name and value), "")


def handling(
    record: Record, event: EventEnvelope[Any], tracing: Tracing, *, is_current: bool
) -> AbstractContextManager[Span]:
    """A span for handling an event, in the trace that its message names."""
    trace = trace_of_headers(record.headers) or event.trace
    return tracing.span(
        f"handle {record.topic}",
        kind=SpanKind.CONSUMER,
        parents=() if trace is None else (trace,),
        attributes={
            "messaging.operation.name": "handle",
            "messaging.destination.name": record.topic,
            "messaging.message.id": str(event.event_id),
            "correlation_id": str(event.correlation_id),
        },
        is_current=is_current,
    )
