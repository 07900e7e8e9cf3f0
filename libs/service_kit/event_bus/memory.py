"""The event bus inside one process, for the embedded stack and for tests."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from service_kit.event_bus.port import MAX_BATCH, Handler, Message, Record
from service_kit.event_bus.retrying import handle_until_done


@dataclass
class _Subscriber:
    group: str
    handler: Handler
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class MemoryEventBus:
    """``publish`` returns when every subscriber has handled the messages.

    Nothing is stored here: the sender's outbox row is marked only afterwards, so a crash loses nothing.
    """

    def __init__(self) -> None:
        self._subscribers: dict[str, list[_Subscriber]] = defaultdict(list)
        self._offsets: dict[str, count[int]] = defaultdict(count)

    def subscribe(self, topics: Sequence[str], *, group: str, handler: Handler) -> None:
        subscriber = _Subscriber(group, handler)
        for topic in topics:
            if any(other.group == group for other in self._subscribers[topic]):
                raise ValueError(f"group {group!r} already reads {topic!r}: one process is one member")
            self._subscribers[topic].append(subscriber)

    async def start(self) -> None:
        return

    async def publish(self, messages: Sequence[Message]) -> None:
        for topic in dict.fromkeys(message.topic for message in messages):
            records = [self._record(message) for message in messages if message.topic == topic]
            for subscriber in self._subscribers[topic]:
                await self._deliver(subscriber, records)

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def ping(self) -> None:
        return

    async def close(self) -> None:
        return

    def _record(self, message: Message) -> Record:
        return Record(
            topic=message.topic,
            key=message.key.encode(),
            value=message.value,
            headers=message.headers,
            partition=0,
            offset=next(self._offsets[message.topic]),
        )

    async def _deliver(self, subscriber: _Subscriber, records: Sequence[Record]) -> None:
        async with subscriber.turn:
            for start in range(0, len(records), MAX_BATCH):
                chunk = records[start : start + MAX_BATCH]
                await handle_until_done(subscriber.handler, chunk, group=subscriber.group)
