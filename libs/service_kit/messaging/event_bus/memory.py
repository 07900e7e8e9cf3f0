"""The event bus inside one process, for the embedded stack and for tests."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterator, Sequence
from itertools import count

from service_kit.messaging.event_bus.handling import handle_with_timeout, report_failed
from service_kit.messaging.event_bus.port import (
    MAX_MESSAGE_BYTES,
    MAX_RECORDS_PER_POLL,
    Handler,
    Message,
    NotPublished,
    Record,
    Refusal,
    refuse_too_large,
)
from service_kit.work.outages import OUTAGES


class _Subscriber:
    def __init__(self, topics: Sequence[str], group: str, handler: Handler) -> None:
        self.topics = frozenset(topics)
        self.group = group
        self._handler = handler
        self._turn = asyncio.Lock()

    async def handle(self, records: dict[int, Record]) -> dict[int, Refusal]:
        """Handle in order, in batches; the first batch that fails, and all after it, are refused."""
        places = list(records)
        async with self._turn:
            for start in range(0, len(places), MAX_RECORDS_PER_POLL):
                batch = [records[place] for place in places[start : start + MAX_RECORDS_PER_POLL]]
                try:
                    await handle_with_timeout(self._handler, batch)
                except Exception as error:  # whatever it was, the publisher still holds the messages
                    report_failed(error, group=self.group, records=len(batch))
                    refusal = Refusal(reason=f"{self.group}: {error!r}")
                    return dict.fromkeys(places[start:], refusal)
                OUTAGES.recovered(self.group)
        return {}


class MemoryEventBus:
    """``publish`` returns when every subscriber has handled the messages, and refuses what one could not.

    Nothing is stored here: the sender's outbox row is marked only afterwards, so a crash loses nothing, and
    it is the sender that tries again. A message without subscribers, such as a dead letter, is gone.
    """

    def __init__(self) -> None:
        self._subscribers: list[_Subscriber] = []
        self._offsets: dict[str, count[int]] = defaultdict(count)

    def subscribe(self, topics: Sequence[str], *, group: str, handler: Handler) -> None:
        if any(other.group == group for other in self._subscribers):
            raise ValueError(f"group {group!r} has subscribed already: one process is one member of a group")
        self._subscribers.append(_Subscriber(topics, group, handler))

    async def start(self) -> None:
        return

    async def publish(self, messages: Sequence[Message]) -> None:
        refusals = refuse_too_large(messages)
        records = {
            place: self._record(message) for place, message in enumerate(messages) if place not in refusals
        }
        outcomes = await asyncio.gather(*self._deliveries(records))
        for outcome in outcomes:
            refusals |= outcome
        if refusals:
            raise NotPublished(refusals)

    def _deliveries(self, records: dict[int, Record]) -> Iterator[Awaitable[dict[int, Refusal]]]:
        for subscriber in self._subscribers:
            wanted = {place: one for place, one in records.items() if one.topic in subscriber.topics}
            # Not even its turn is waited for otherwise: a handler may publish dead letters in its own turn.
            if wanted:
                yield subscriber.handle(wanted)

    async def max_message_bytes(self, topic: str) -> int:  # noqa: ARG002 - the port's
        return MAX_MESSAGE_BYTES

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def ping(self) -> None:
        return

    async def close(self) -> None:
        return

    def _record(self, message: Message) -> Record:
        return Record(
            topic=message.topic,
            key=message.key,
            value=message.value,
            headers=message.headers,
            partition=0,
            offset=next(self._offsets[message.topic]),
        )
