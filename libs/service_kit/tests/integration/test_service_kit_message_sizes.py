"""How large a message may be is asked of the broker, and what it says is what it takes."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from service_kit.messaging.event_bus import ASSUMED_MESSAGE_BYTES, MAX_MESSAGE_BYTES, KafkaEventBus, Message
from service_kit.messaging.event_bus.kafka_topics import FRAMING_BYTES
from service_kit.tests.conftest import KafkaBuses


async def create_topic(buses: KafkaBuses, name: str, configs: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=buses.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(buses.prefix + name, 1, 1, topic_configs=configs)])
    finally:
        await admin.close()


async def test_a_message_of_the_size_that_the_broker_says_is_taken(kafka_buses: KafkaBuses) -> None:
    await create_topic(kafka_buses, "small", {"max.message.bytes": "300000"})
    bus = await kafka_buses.start("small")

    size = await bus.max_message_bytes("small")

    assert size == 300_000 - FRAMING_BYTES
    await bus.publish([Message(topic="small", key=b"k", value=b"x" * (size - 1))])


async def test_a_topic_without_settings_of_its_own_has_the_brokers(kafka_buses: KafkaBuses) -> None:
    await create_topic(kafka_buses, "plain", {})
    bus = await kafka_buses.start("plain")

    size = await bus.max_message_bytes("plain")

    # Whatever the broker of this run says: it is not the size that is assumed where no broker answers.
    assert size != ASSUMED_MESSAGE_BYTES - FRAMING_BYTES
    await bus.publish([Message(topic="plain", key=b"k", value=b"x" * (size - 1))])


async def test_no_more_is_promised_than_the_producer_takes(kafka_buses: KafkaBuses) -> None:
    await create_topic(kafka_buses, "huge", {"max.message.bytes": str(100 * 1024 * 1024)})
    bus = await kafka_buses.start("huge")

    assert await bus.max_message_bytes("huge") == MAX_MESSAGE_BYTES


async def test_where_the_broker_does_not_say_one_mebibyte_is_assumed(kafka_buses: KafkaBuses) -> None:
    bus = await kafka_buses.start()
    unreachable = KafkaEventBus("127.0.0.1:1", client_id="kit-test")

    assert await bus.max_message_bytes("not-there") == ASSUMED_MESSAGE_BYTES - FRAMING_BYTES
    assert await unreachable.max_message_bytes("essays") == ASSUMED_MESSAGE_BYTES - FRAMING_BYTES
