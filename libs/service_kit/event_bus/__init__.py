"""The event bus: one port, two adapters (kafka, memory)."""

from service_kit.event_bus.kafka import KafkaEventBus
from service_kit.event_bus.memory import MemoryEventBus
from service_kit.event_bus.port import MAX_BATCH, EventBus, Handler, Headers, Message, Record

__all__ = [
    "MAX_BATCH",
    "EventBus",
    "Handler",
    "Headers",
    "KafkaEventBus",
    "MemoryEventBus",
    "Message",
    "Record",
]
