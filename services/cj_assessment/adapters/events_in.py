"""The events that this service reads, and the use cases that they go to."""

from collections.abc import Sequence

from event_contracts import ELS_CJAssessmentRequestV1, LLMComparisonResultV1
from service_kit.messaging.consumer import HandleEvents, Route


def routes(*, accept_requests: HandleEvents, record_results: HandleEvents) -> Sequence[Route]:
    """Which event goes where."""
    return (
        Route(event=ELS_CJAssessmentRequestV1, handle=accept_requests),
        Route(event=LLMComparisonResultV1, handle=record_results),
    )
