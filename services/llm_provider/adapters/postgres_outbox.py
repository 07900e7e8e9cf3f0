"""Events that leave with a transaction."""

from collections.abc import Sequence

from event_contracts import EventEnvelope, LLMComparisonResultV1, LLMCostAlertV1
from service_kit.messaging.outbox import OutgoingMessage, bus_message, callback_message, enqueue
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.domain.announcing import Announcement, callback
from llm_provider.domain.request import JudgeRequest


class PostgresOutbox:
    """Collects what a transaction sends, and writes it at once before the commit."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._messages: list[OutgoingMessage] = []

    @property
    def has_messages(self) -> bool:
        """True when there is something to carry away after the commit."""
        return bool(self._messages)

    def announce(self, events: Sequence[Announcement | EventEnvelope[LLMCostAlertV1]]) -> None:
        """Send each to its own topic."""
        self._messages += [bus_message(event, key=event.key) for event in events]

    def call_back(self, results: Sequence[tuple[JudgeRequest, LLMComparisonResultV1]]) -> None:
        """Send each result to where its request wants it: a topic, a URL or both."""
        self._messages += [message for request, result in results for message in _callbacks(request, result)]

    async def write(self) -> None:
        """Write what was collected; the last thing that a transaction does."""
        await enqueue(self._connection, self._messages)


def _callbacks(request: JudgeRequest, result: LLMComparisonResultV1) -> list[OutgoingMessage]:
    event = callback(request, result)
    messages: list[OutgoingMessage] = []
    if request.callback_topic is not None:
        messages.append(bus_message(event, key=event.key, topic=request.callback_topic))
    if request.callback_url is not None:
        messages.append(callback_message(event, url=request.callback_url))
    return messages
