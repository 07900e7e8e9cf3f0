"""What tests of the outbox write into it, and the buses and relays that empty it."""

from collections.abc import Sequence
from uuid import uuid4

from service_kit.messaging.bus_relay import OutboxRelay
from service_kit.messaging.event_bus import (
    BusUnavailable,
    EventBus,
    MemoryEventBus,
    Message,
    NotPublished,
    Refusal,
)
from service_kit.messaging.outbox import DeliveryPolicy, OutgoingMessage, enqueue
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tests.builders import Recorder, new_metrics
from service_kit.work.worker import Wakeup

TOPIC = "essays"


def numbered(key: str, number: int, *, topic: str = TOPIC, value: bytes | None = None) -> OutgoingMessage:
    """A message that says its number."""
    return OutgoingMessage(
        event_id=uuid4(),
        transport="bus",
        destination=topic,
        key=key,
        headers=(("number", str(number).encode()),),
        value=str(number).encode() if value is None else value,
    )


async def write(database: Database, messages: Sequence[OutgoingMessage]) -> None:
    """Enqueue and commit."""
    async with database.transaction() as connection:
        await enqueue(connection, messages)


def relay(
    database: Database,
    bus: EventBus,
    *,
    metrics: ServiceMetrics | None = None,
    limit: int = 500,
    policy: DeliveryPolicy | None = None,
) -> OutboxRelay:
    """A relay with a wakeup of its own."""
    return OutboxRelay(
        database=database,
        bus=bus,
        metrics=metrics or new_metrics(),
        wakeup=Wakeup(),
        limit=limit,
        policy=policy or DeliveryPolicy(),
    )


def bus_with(recorder: Recorder, *topics: str) -> MemoryEventBus:
    """A memory bus on which ``recorder`` reads the topics."""
    bus = MemoryEventBus()
    bus.subscribe(topics or [TOPIC], group="readers", handler=recorder)
    return bus


class PickyBus(MemoryEventBus):
    """A bus that refuses some messages, as a broker does."""

    def __init__(self, recorder: Recorder, *topics: str) -> None:
        super().__init__()
        self.subscribe(topics or [TOPIC], group="readers", handler=recorder)
        self.refused: dict[tuple[str, bytes | None], Refusal] = {}
        self.is_away = False

    async def publish(self, messages: Sequence[Message]) -> None:
        if self.is_away:
            raise BusUnavailable("the broker is unavailable", retry_after=1)
        refusals: dict[int, Refusal] = {}
        held_up: set[tuple[str, bytes | None]] = set()
        for place, message in enumerate(messages):
            lane = (message.topic, message.key)
            refusal = self.refused.get((message.topic, message.value))
            if refusal is not None and not refusal.final:
                held_up.add(lane)
            if refusal is not None or lane in held_up:
                refusals[place] = refusal or Refusal(reason="behind a refused one")
        await super().publish([one for place, one in enumerate(messages) if place not in refusals])
        if refusals:
            raise NotPublished(refusals)
