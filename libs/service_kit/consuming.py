"""From records to events: parse, hand over in batches, and send what cannot be handled to the dead letters."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from event_contracts import (
    DeadLetterHeader,
    EventEnvelope,
    MalformedEvent,
    Unavailable,
    WireModel,
    dead_letter_topic,
    parse_envelope,
    topic_of,
)
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from service_kit.event_bus import EventBus, Headers, Message, Record
from service_kit.metrics import ServiceMetrics

log = structlog.get_logger()

HandleEvents = Callable[[Sequence[EventEnvelope[Any]]], Awaitable[None]]
"""Handles a batch in one transaction; it claims the events in the inbox itself."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """Which events go to which handler."""

    event: type[WireModel]
    handle: HandleEvents


@dataclass(frozen=True, kw_only=True)
class EventConsumer:
    """Subscribes a service's routes under one group and keeps one bad record from stopping the others."""

    bus: EventBus
    service: str
    routes: Sequence[Route]
    metrics: ServiceMetrics

    def subscribe(self) -> None:
        """Register with the bus; call once, before it runs."""
        by_topic = {str(topic_of(route.event)): route for route in self.routes}
        for topic, route in by_topic.items():

            async def handle(records: Sequence[Record], route: Route = route) -> None:
                await self._handle(route, records)

            self.bus.subscribe([topic], group=f"{self.service}.{route.event.__name__}", handler=handle)

    async def _handle(self, route: Route, records: Sequence[Record]) -> None:
        parsed: list[tuple[Record, EventEnvelope[Any]]] = []
        for record in records:
            try:
                parsed.append((record, parse_envelope(record.value, route.event)))
            except MalformedEvent as error:
                await self._dead_letter(record, reason="malformed", error=error)
        if parsed:
            await self._handle_isolating(route, parsed)
        self.metrics.events_handled.labels(records[0].topic).inc(len(parsed))

    async def _handle_isolating(
        self, route: Route, parsed: Sequence[tuple[Record, EventEnvelope[Any]]]
    ) -> None:
        """Handle all at once; when that fails for a reason that lies in an event, find it by halving."""
        try:
            await route.handle([event for _, event in parsed])
        except Exception as error:  # told apart below: the world's fault is raised, the event's is recorded
            if is_transient(error):
                raise
            if len(parsed) == 1:
                await self._dead_letter(parsed[0][0], reason="not_handled", error=error)
                return
            middle = len(parsed) // 2
            await self._handle_isolating(route, parsed[:middle])
            await self._handle_isolating(route, parsed[middle:])

    async def _dead_letter(self, record: Record, *, reason: str, error: Exception) -> None:
        log.error(
            "event.dead_lettered",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=reason,
            error=str(error),
            exc_info=None if isinstance(error, MalformedEvent) else error,
        )
        self.metrics.dead_letters.labels(record.topic, reason).inc()
        added = dead_letter_headers(record, reason=reason, error=error, service=self.service)
        await self.bus.publish(
            [
                Message(
                    topic=dead_letter_topic(record.topic),
                    key=(record.key or b"").decode(errors="replace"),
                    value=record.value,
                    headers=record.headers + added,
                )
            ]
        )


def dead_letter_headers(record: Record, *, reason: str, error: Exception, service: str) -> Headers:
    """What the dead-letter topic adds to the original headers."""
    added: Mapping[DeadLetterHeader, str] = {
        DeadLetterHeader.REASON: reason,
        DeadLetterHeader.ERROR: str(error)[:2000],
        DeadLetterHeader.SERVICE: service,
        DeadLetterHeader.ORIGINAL_TOPIC: record.topic,
        DeadLetterHeader.ORIGINAL_PARTITION: str(record.partition),
        DeadLetterHeader.ORIGINAL_OFFSET: str(record.offset),
        DeadLetterHeader.FAILED_AT: datetime.now(UTC).isoformat(),
    }
    return tuple((str(name), value.encode()) for name, value in added.items())


def is_transient(error: Exception) -> bool:
    """True when the same event may well be handled later: the database or another service is away."""
    if isinstance(error, DBAPIError) and (
        error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    ):
        return True
    return isinstance(error, OSError | TimeoutError | Unavailable) or _is_serialization_failure(error)


def _is_serialization_failure(error: Exception) -> bool:
    """Deadlocks and serialization failures: the server asks to try again (SQLSTATE class 40)."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return isinstance(state, str) and state.startswith("40")
