"""What tests of the bus on Kafka look at: the values that the broker holds, and the names of log entries."""

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer
from service_kit.tests.conftest import KafkaBuses
from structlog.typing import EventDict


async def read_all(buses: KafkaBuses, topic: str) -> list[bytes | None]:
    """The values that the broker holds now, read past the bus."""
    consumer = AIOKafkaConsumer(
        buses.prefix + topic, bootstrap_servers=buses.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        places = consumer.assignment()
        missing = sum((await consumer.end_offsets(places)).values())
        values: list[bytes | None] = []
        while len(values) < missing:
            polled = await consumer.getmany(timeout_ms=1000)
            values += [record.value for batch in polled.values() for record in batch]
        return values
    finally:
        await consumer.stop()


def events(logs: Sequence[EventDict]) -> list[str]:
    """The names of the log entries."""
    return [str(entry["event"]) for entry in logs]
