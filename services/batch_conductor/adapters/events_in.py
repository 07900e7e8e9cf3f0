"""The events that this service reads, and the use case that they go to."""

from collections.abc import Sequence

from event_contracts import CJAssessmentCompletedV1, ELSBatchPhaseOutcomeV1, SpellcheckPhaseCompletedV1
from service_kit.messaging.consumer import HandleEvents, Route


def routes(*, record_outcomes: HandleEvents) -> Sequence[Route]:
    """Which event goes where."""
    return (
        Route(event=ELSBatchPhaseOutcomeV1, handle=record_outcomes),
        Route(event=SpellcheckPhaseCompletedV1, handle=record_outcomes),
        Route(event=CJAssessmentCompletedV1, handle=record_outcomes),
    )
