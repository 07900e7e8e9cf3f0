"""What was lost and what was counted twice in a batch that has ended: from the databases and the callbacks' topic."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from event_contracts import BatchStatusView, LLMComparisonResultV1, Topic, parse_envelope
from rich.console import Console

from suite.processes.pair import ServicePair
from suite.processes.topics import published_messages

console = Console()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a batch ended, its ranking, and how many comparisons and callbacks were lost or counted twice."""

    status: BatchStatusView
    ranking: list[tuple[str, float]]
    lost: int
    twice: int


_LOST_COMPARISONS = "SELECT count(*) FROM comparison WHERE state <> 'judged'"
_REASONS = "SELECT state, error_code, count(*) FROM comparison WHERE state <> 'judged' GROUP BY 1, 2"
_LOST_MESSAGES = "SELECT count(*) FROM outbox"
_REQUESTS = "SELECT id::text FROM judge_request"
_COUNTED_TWICE = """
    SELECT count(*) - count(DISTINCT comparison_id) FROM comparison_attempt WHERE outcome = 'answered'
"""


async def count_outcome(
    pair: ServicePair, status: BatchStatusView, callbacks: Mapping[str, set[str]], *, comparisons: int
) -> Outcome:
    """What was counted; ``callbacks`` are the ids of the callback events received for each request.

    An event may be received twice, with the same id: a request with two callbacks has two ids.
    """
    async with (
        pair.database(pair.assessment) as assessment,
        pair.database(pair.provider) as provider,
    ):
        requests = [row[0] for row in await provider.fetch(_REQUESTS)]
        lost = {
            "comparisons not judged": await assessment.fetchval(_LOST_COMPARISONS),
            "messages of CJ Assessment": await assessment.fetchval(_LOST_MESSAGES),
            "messages of the LLM Provider": await provider.fetchval(_LOST_MESSAGES),
            "requests without a callback": sum(request not in callbacks for request in requests),
            "comparisons short of the budget": comparisons - status.progress.comparisons_judged,
        }
        reasons = [tuple(row) for row in await assessment.fetch(_REASONS)]
        twice = [
            await assessment.fetchval(_COUNTED_TWICE),
            sum(len(events) - 1 for events in callbacks.values()),
        ]
        result = await assessment.fetchval("SELECT result FROM assessment_batch")
    if any(lost.values()):
        console.print(lost, reasons, highlight=False)
    essays = json.loads(result)["essay_results"] if result else []
    return Outcome(
        status=status,
        ranking=[(essay["essay_id"], essay["bt_score"]) for essay in essays],
        lost=sum(lost.values()),
        twice=sum(twice),
    )


async def received_callbacks(kafka: str, *, name: str) -> dict[str, set[str]]:
    """The ids of the callback events that were published for each request."""
    received: dict[str, set[str]] = {}
    topic = re.escape(f"{name}.{Topic.LLM_COMPARISON_RESULT}")
    for value in await published_messages(kafka, topics=topic):
        event = parse_envelope(value, LLMComparisonResultV1)
        received.setdefault(event.data.request_id, set()).add(str(event.event_id))
    return received
