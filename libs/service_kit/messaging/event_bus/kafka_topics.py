"""Creating the Kafka topics that are missing; several replicas may do it at the same time."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code
from event_contracts import ConfigurationError, dead_letter_topic

from service_kit.messaging.event_bus.port import DEAD_LETTER_HEADROOM_BYTES, MAX_MESSAGE_BYTES

BROKERS_DEFAULT = -1
FRAMING_BYTES = 4096
"""What Kafka's batch and record headers add to a message."""

RETENTION_MS = 7 * 24 * 3600 * 1000
"""Shorter than ``service_kit.work.retention.KEEP_INBOX``: what can be delivered again is still remembered."""

_DONE = (NoError, TopicAlreadyExistsError)


@dataclass(frozen=True, kw_only=True)
class NewTopics:
    """Topics by their full names, and what they are created with; ``replication`` -1 is the broker's default.

    A compacted topic keeps the last record of each key for ever.
    """

    names: Sequence[str]
    partitions: int = 6
    replication: int = BROKERS_DEFAULT
    is_compacted: bool = False


SIZE_SETTING = "max.message.bytes"


async def create_missing_topics(bootstrap: str, wanted: NewTopics) -> None:
    """Create those that do not exist, leave the others as they are; ``ConfigurationError`` names a refused one."""
    if not wanted.names:
        return
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        missing = [_new_topic(name, wanted) for name in wanted.names if name not in existing]
        created = await admin.create_topics(missing) if missing else None
    finally:
        await admin.close()
    for topic, code, reason in created.topic_errors if created else ():
        if for_code(code) not in _DONE:
            raise ConfigurationError(f"Kafka refused to create topic {topic!r}: {reason}")


def _new_topic(name: str, wanted: NewTopics) -> NewTopic:
    configs = {"cleanup.policy": "compact"} if wanted.is_compacted else _configs_of_messages(name)
    topic = NewTopic(name, wanted.partitions, 1, topic_configs=configs)
    # Set afterwards: the constructor refuses the protocol's own -1, "the broker's default".
    topic.replication_factor = wanted.replication
    return topic


def _configs_of_messages(name: str) -> dict[str, str]:
    room = DEAD_LETTER_HEADROOM_BYTES if name.endswith(dead_letter_topic("")) else 0
    return {
        SIZE_SETTING: str(MAX_MESSAGE_BYTES + room + FRAMING_BYTES),
        "retention.ms": str(RETENTION_MS),
    }


async def configured_message_bytes(bootstrap: str, topic: str) -> int:
    """What the broker's topic takes in one batch of records, its own default included.

    Raises ``KafkaError``, ``OSError`` or ``TimeoutError`` where that cannot be learnt, for example without permission.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        wanted = ConfigResource(ConfigResourceType.TOPIC, topic, {SIZE_SETTING: ""})
        [answer] = await admin.describe_configs([wanted])
    finally:
        await admin.close()
    for code, _reason, _kind, _name, entries in answer.resources:
        error = for_code(code)
        if error is not NoError:
            raise error(f"the settings of topic {topic!r} cannot be read")
        for name, value, *_ in entries:
            if name == SIZE_SETTING:
                return int(value)
    raise KafkaError(f"topic {topic!r} has no setting {SIZE_SETTING}")
