"""From records to events: parse, hand over in batches, and send what cannot be handled to the dead letters."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import structlog
from event_contracts import (
    DeadLetterHeader,
    EventEnvelope,
    MalformedEvent,
    WireModel,
    dead_letter_topic,
    parse_envelope,
    topic_of,
)

from service_kit.messaging.event_bus import EventBus, Headers, Message, Record
from service_kit.messaging.message_spans import handling
from service_kit.telemetry.error_text import error_code, error_text
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tracing import NO_TRACING, Span, Tracing
from service_kit.work.isolation import isolate

log = structlog.get_logger()

MAX_ERROR_BYTES = 2000

HandleEvents = Callable[[Sequence[EventEnvelope[Any]]], Awaitable[None]]
"""Handles a batch in one transaction; it claims the events in the inbox itself. No event id comes twice in a batch."""

Reason = Literal["malformed", "not_handled"]


@dataclass(frozen=True, kw_only=True)
class Route:
    """Which events go to which handler."""

    event: type[WireModel]
    handle: HandleEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    record: Record
    event: EventEnvelope[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _DeadLetter:
    record: Record
    reason: Reason
    error: Exception
    event: EventEnvelope[Any] | None = None


@dataclass(frozen=True, kw_only=True)
class EventConsumer:
    """Subscribes a service's routes as one consumer group, and keeps one bad record from stopping the others.

    What fails for a reason outside the event is raised, and the bus delivers the whole batch again. Dead
    letters are therefore published last: a batch that comes again has not left any yet.
    """

    bus: EventBus
    service: str
    group: str
    routes: Sequence[Route]
    metrics: ServiceMetrics
    tracing: Tracing = NO_TRACING

    def subscribe(self) -> None:
        """Register with the bus; call once, before it runs."""
        for topic in self._by_topic():
            self.metrics.events.show_topic(topic, group=self.group, reasons=get_args(Reason))
        self.bus.subscribe(list(self._by_topic()), group=self.group, handler=self._handle)

    def _by_topic(self) -> Mapping[str, Route]:
        return {str(topic_of(route.event)): route for route in self.routes}

    async def _handle(self, records: Sequence[Record]) -> None:
        dead: list[_DeadLetter] = []
        handled: list[tuple[str, int, Sequence[_Parsed]]] = []
        for topic, route in self._by_topic().items():
            own = [record for record in records if record.topic == topic]
            if own:
                parsed, failed = _parse(route, own)
                if parsed:
                    failed += await self._handle_traced(route, parsed)
                dead += failed
                handled.append((topic, len(own) - len(failed), parsed))
        if dead:
            await self._publish_dead_letters(dead)
        now = datetime.now(UTC)
        for topic, count, events in handled:
            for one in events:
                waited = (now - one.event.event_timestamp).total_seconds()
                self.metrics.events.queue_latency.labels(topic).observe(max(waited, 0.0))
            self.metrics.events.handled.labels(topic).inc(count)

    async def _handle_traced(self, route: Route, parsed: Sequence[_Parsed]) -> list[_DeadLetter]:
        """A span for each event; the handler finds it in the event's metadata, and so what the event causes."""
        if not self.tracing.is_on:
            return await _handle_isolating(route, parsed)
        with ExitStack() as open_spans:
            spans: dict[int, Span] = {}
            traced: list[_Parsed] = []
            for one in parsed:
                span = open_spans.enter_context(
                    handling(one.record, one.event, self.tracing, is_current=len(parsed) == 1)
                )
                spans[id(one.record)] = span
                event = one.event if span.context is None else one.event.continuing(span.context)
                traced.append(replace(one, event=event))
            dead = await _handle_isolating(route, traced)
            for letter in dead:
                spans[id(letter.record)].failed(error_code(letter.error))
            return dead

    async def _publish_dead_letters(self, dead: Sequence[_DeadLetter]) -> None:
        messages = [
            Message(
                topic=dead_letter_topic(one.record.topic),
                key=one.record.key,
                value=one.record.value,
                headers=one.record.headers + dead_letter_headers(one, service=self.service),
            )
            for one in dead
        ]
        await self.bus.publish(messages)
        for one in dead:
            _log(one)
            self.metrics.events.dead_letters.labels(one.record.topic, one.reason).inc()


def _parse(route: Route, records: Sequence[Record]) -> tuple[list[_Parsed], list[_DeadLetter]]:
    parsed: list[_Parsed] = []
    dead: list[_DeadLetter] = []
    for record in records:
        try:
            event = parse_envelope(record.value or b"", route.event)
        except MalformedEvent as error:
            dead.append(_DeadLetter(record=record, reason="malformed", error=error))
        else:
            parsed.append(_Parsed(record=record, event=event))
    return parsed, dead


async def _handle_isolating(route: Route, parsed: Sequence[_Parsed]) -> list[_DeadLetter]:
    """Handle all together; events that fail on their own become dead letters, and the others are handled."""

    async def handle(part: Sequence[_Parsed]) -> None:
        await route.handle(list({one.event.event_id: one.event for one in part}.values()))

    return [
        _DeadLetter(
            record=failure.item.record,
            reason="not_handled",
            error=failure.error,
            event=failure.item.event,
        )
        for failure in await isolate(parsed, handle)
    ]


def dead_letter_headers(dead: _DeadLetter, *, service: str) -> Headers:
    """What the dead-letter topic adds to the original headers."""
    record = dead.record
    added: Mapping[DeadLetterHeader, str] = {
        DeadLetterHeader.REASON: dead.reason,
        DeadLetterHeader.ERROR: error_text(dead.error),
        DeadLetterHeader.SERVICE: service,
        DeadLetterHeader.ORIGINAL_TOPIC: record.topic,
        DeadLetterHeader.ORIGINAL_PARTITION: str(record.partition),
        DeadLetterHeader.ORIGINAL_OFFSET: str(record.offset),
        DeadLetterHeader.FAILED_AT: datetime.now(UTC).isoformat(),
    }
    return tuple((str(name), _header_value(value)) for name, value in added.items())


def _header_value(text: str) -> bytes:
    """UTF-8 of a bounded length, whatever the text holds: a dead letter must not fail for its own label."""
    cut = text.encode(errors="backslashreplace")[:MAX_ERROR_BYTES]
    return cut.decode(errors="ignore").encode()


def _log(dead: _DeadLetter) -> None:
    log.error(
        "event.dead_lettered",
        topic=dead.record.topic,
        partition=dead.record.partition,
        offset=dead.record.offset,
        reason=dead.reason,
        error=error_text(dead.error),
        exc_info=None if dead.reason == "malformed" else dead.error,
        **({} if dead.event is None else {"correlation_id": str(dead.event.correlation_id)}),
    )
