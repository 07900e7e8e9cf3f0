"""Events that leave with a transaction."""

from collections.abc import Sequence

from event_contracts import EventEnvelope, LLMComparisonResultV1, LLMCostAlertV1
from service_kit.messaging.outbox import OutgoingMessage, bus_message, callback_message
from service_kit.store import Outbox

from llm_provider.domain.calls.announcements import Announcement, callback
from llm_provider.domain.requests.request import JudgeRequest


class PostgresOutbox:
    """Turns events into messages of the transaction's outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def announce(self, events: Sequence[Announcement | EventEnvelope[LLMCostAlertV1]]) -> None:
        """Send each to its own topic."""
        self._outbox.announce(events)

    def call_back(self, results: Sequence[tuple[JudgeRequest, LLMComparisonResultV1]]) -> None:
        """Send each result to where its request wants it: a topic, a URL or both."""
        self._outbox.send(message for request, result in results for message in _callbacks(request, result))


def _callbacks(request: JudgeRequest, result: LLMComparisonResultV1) -> list[OutgoingMessage]:
    event = callback(request, result)
    messages: list[OutgoingMessage] = []
    if request.callback_topic is not None:
        messages.append(bus_message(event, key=event.key, topic=request.callback_topic))
    if request.callback_url is not None:
        messages.append(callback_message(event, url=request.callback_url))
    return messages
