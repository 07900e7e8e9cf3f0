"""The event bus as the suite sees it: keyed messages in, batches of records out, at least once, in key order."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from event_contracts import ErrorCode, SuiteError, Unavailable, dead_letter_topic

Headers = tuple[tuple[str, bytes | None], ...]

MAX_RECORDS_PER_POLL = 500
"""Maximum number of records handed to a handler in one call."""

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Maximum size of a message: key, headers and value together."""

ASSUMED_MESSAGE_BYTES = 1024 * 1024
"""What a topic is taken to hold where the broker does not say: what brokers hold unless they are told otherwise."""

DEAD_LETTER_HEADROOM_BYTES = 64 * 1024
"""What a dead letter may be larger: its own headers come on top of a message that was near the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is published: ``key`` decides the partition, hence what stays in order.

    Key, value and headers are bytes and arrive as they were given. One of key and value must not be null.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def size(self) -> int:
        """Bytes of key, headers and value."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A message as it was delivered, with its place in the log."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a message was not delivered; a final one says that no later attempt will do better."""

    reason: str
    final: bool = False


class NotPublished(SuiteError):
    """Some messages are not safe: ``refusals`` has them by their place in the sequence; all others are.

    Of one topic and key the refused are always the last ones, except for final refusals.
    """

    code = ErrorCode.KAFKA_PUBLISH_ERROR

    def __init__(self, refusals: Mapping[int, Refusal]) -> None:
        first = refusals[min(refusals)].reason
        super().__init__(f"{len(refusals)} messages were not published, the first because: {first}")
        self.refusals = refusals


class BusUnavailable(Unavailable):
    """The broker cannot be reached: none of the messages is known to be safe, and none is to blame."""

    code = ErrorCode.KAFKA_PUBLISH_ERROR


Handler = Callable[[Sequence[Record]], Awaitable[None]]
"""Handles 1 to ``MAX_RECORDS_PER_POLL`` records; returning means that they are not delivered again."""


class ConsumerWatcher(Protocol):
    """Shows operators how consumers are doing."""

    def watch_lag(self, group: str, messages: int) -> None:
        """``messages`` of this replica's partitions are not read yet."""
        ...

    def watch_silence(self, group: str, seconds: Callable[[], float]) -> None:
        """``seconds`` tells at any time how long ago the group's consumer last polled."""
        ...


class EventBus(Protocol):
    """Publish and subscribe; both adapters pass ``tests/integration/test_service_kit_event_bus.py``."""

    def subscribe(self, topics: Sequence[str], *, group: str, handler: Handler) -> None:
        """Register before ``run``: each group gets every message, again and again until its handler returns.

        A group subscribes once on a bus: ``ValueError`` otherwise.
        """
        ...

    async def start(self) -> None:
        """Connect; raises ``BusUnavailable`` when the broker does not answer."""
        ...

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when every message is safe: acknowledged by all replicas, or handled by every subscriber.

        Raises ``NotPublished`` or ``BusUnavailable``. A message that is not known to be safe may still arrive.
        """
        ...

    async def max_message_bytes(self, topic: str) -> int:
        """Bytes that a message on the topic may have: key, headers and value; ``ASSUMED_MESSAGE_BYTES`` if unknown."""
        ...

    async def run(self) -> None:
        """Deliver to the subscribers until cancelled."""
        ...

    async def ping(self) -> None:
        """Raise ``BusUnavailable`` unless messages can be published now."""
        ...

    async def close(self) -> None:
        """Flush and disconnect."""
        ...


def refuse_too_large(messages: Sequence[Message]) -> dict[int, Refusal]:
    """Final refusals of the messages over the limit, by their place in the sequence."""
    return {
        place: Refusal(reason=f"{message.size} bytes: a message has {_limit(message)} at most", final=True)
        for place, message in enumerate(messages)
        if message.size > _limit(message)
    }


def _limit(message: Message) -> int:
    is_dead_letter = message.topic.endswith(dead_letter_topic(""))
    return MAX_MESSAGE_BYTES + DEAD_LETTER_HEADROOM_BYTES if is_dead_letter else MAX_MESSAGE_BYTES
