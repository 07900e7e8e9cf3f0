"""The event bus: one port, two adapters (kafka, memory)."""

from service_kit.messaging.event_bus.kafka import KafkaEventBus
from service_kit.messaging.event_bus.memory import MemoryEventBus
from service_kit.messaging.event_bus.port import (
    ASSUMED_MESSAGE_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_RECORDS_PER_POLL,
    BusUnavailable,
    ConsumerWatcher,
    EventBus,
    Handler,
    Headers,
    Message,
    NotPublished,
    Record,
    Refusal,
)

__all__ = [
    "ASSUMED_MESSAGE_BYTES",
    "MAX_MESSAGE_BYTES",
    "MAX_RECORDS_PER_POLL",
    "BusUnavailable",
    "ConsumerWatcher",
    "EventBus",
    "Handler",
    "Headers",
    "KafkaEventBus",
    "MemoryEventBus",
    "Message",
    "NotPublished",
    "Record",
    "Refusal",
]
