"""Events that leave with a transaction."""

from collections.abc import Sequence

from event_contracts import EventEnvelope, LLMComparisonResultV1, LLMCostAlertV1
from service_kit.outbox import OutgoingMessage, bus_message, callback_message, enqueue
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters.tables import outbox
from llm_provider.domain.announcing import Announcement, callback
from llm_provider.domain.request import JudgeRequest


class PostgresOutbox:
    """Writes messages; ``has_sent`` tells whether there is something to carry away after the commit."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.has_sent = False

    async def announce(self, events: Sequence[Announcement | EventEnvelope[LLMCostAlertV1]]) -> None:
        await self._enqueue([bus_message(event, key=event.key) for event in events])

    async def call_back(self, results: Sequence[tuple[JudgeRequest, LLMComparisonResultV1]]) -> None:
        """Send each result to where its request wants it: a topic, a URL or both."""
        await self._enqueue(
            [message for request, result in results for message in _callbacks(request, result)]
        )

    async def _enqueue(self, messages: Sequence[OutgoingMessage]) -> None:
        await enqueue(self._connection, outbox, messages)
        self.has_sent = self.has_sent or bool(messages)


def _callbacks(request: JudgeRequest, result: LLMComparisonResultV1) -> list[OutgoingMessage]:
    event = callback(request, result)
    messages: list[OutgoingMessage] = []
    if request.callback_topic is not None:
        messages.append(bus_message(event, key=event.key, topic=request.callback_topic))
    if request.callback_url is not None:
        messages.append(callback_message(event, url=request.callback_url))
    return messages
