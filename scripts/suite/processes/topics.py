"""What services have published on Kafka, read back from the beginning."""

import re

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient


async def published_messages(kafka: str, *, topics: str) -> list[bytes]:
    """Every message on the topics whose names match the regular expression ``topics``."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    matching = [topic for topic in await admin.list_topics() if re.fullmatch(topics, topic)]
    described = await admin.describe_topics(matching)
    await admin.close()
    partitions = [
        TopicPartition(topic["topic"], one["partition"]) for topic in described for one in topic["partitions"]
    ]
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka, auto_offset_reset="earliest", isolation_level="read_committed"
    ) as consumer:
        consumer.assign(partitions)
        return await _read_to_end(consumer, partitions)


async def _read_to_end(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> list[bytes]:
    ends = await consumer.end_offsets(partitions)
    published: list[bytes] = []
    for partition in partitions:
        while await consumer.position(partition) < ends[partition]:
            polled = await consumer.getmany(timeout_ms=1000)
            published += [record.value for records in polled.values() for record in records]
    return published
