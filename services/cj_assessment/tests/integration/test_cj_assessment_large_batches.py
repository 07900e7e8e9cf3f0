"""The largest batch on a broker whose topics hold what topics hold by default: its result leaves, and is whole."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from cj_assessment.settings import MIGRATIONS
from cj_assessment.tests.fake_llm_provider import ResultEnvelope, open_fake_llm_provider
from cj_assessment.tests.postgres_fixtures import stored
from cj_assessment.tests.serving import ANNOUNCED, replica, wire
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    BatchResultsView,
    CJAssessmentCompletedV1,
    ComparisonBatchItem,
    Topic,
)
from service_kit.storage.database import migrate
from service_kit.tests.waiting import eventually

ESSAYS = 5_000
DEFAULT_BYTES = 1_048_588
"""`max.message.bytes` of a topic by default: 1 MiB and the framing of a batch."""
TIMEOUT_SECONDS = 240.0


async def create_default_topics(bootstrap: str, prefix: str) -> None:
    """The topics as the platform has created them, before the service could create its own."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        names = [prefix + topic for topic in (*ANNOUNCED, Topic.CJ_ASSESSMENT_REQUESTED)]
        configs = {"max.message.bytes": str(DEFAULT_BYTES)}
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=configs) for name in names])
    finally:
        await admin.close()


async def judged_batch(database_url: str) -> str:
    """A batch of 5,000 essays with UUIDs whose budget is judged: all that is left is to rank it; returns its id."""
    await migrate(database_url, MIGRATIONS)
    async with stored(database_url) as storage:
        pairs = [(item, (item + 1) % ESSAYS) for item in range(ESSAYS)]
        batch = await storage.batch(pairs, n_essays=ESSAYS)
        for statement in (
            "UPDATE batch_essay SET essay_id = lpad(CAST(item AS text), 36, '0')",
            "UPDATE comparison SET state = 'judged', a_won = slot_a < slot_b, confidence = 4, judged_at = now(),"
            " judge = 'mock/simulated'",
            f"UPDATE assessment_batch SET max_comparisons = {len(pairs)}, next_check_at = now()",
        ):
            await storage.execute(statement)
    return batch.batch_id


@pytest.mark.slow
async def test_five_thousand_essays_leave_through_topics_with_default_limits(
    make_database: Callable[[str], str], kafka_bootstrap: str, topic_prefix: str
) -> None:
    await create_default_topics(kafka_bootstrap, topic_prefix)
    database = make_database("cj_large")
    batch_id = await judged_batch(database)

    async with open_fake_llm_provider(fail_if_asked) as fake_llm:
        settings: dict[str, Any] = {
            "kafka_bootstrap_servers": kafka_bootstrap,
            "kafka_topic_prefix": topic_prefix,
        }
        async with (
            replica(database, fake_llm, **settings) as service,
            wire(kafka_bootstrap, topic_prefix) as line,
        ):
            status = await service.until_ended(batch_id, seconds=TIMEOUT_SECONDS)
            await eventually(lambda: len(line.events_of(batch_id)) >= 3, seconds=TIMEOUT_SECONDS)
            answer = await service.http.get(f"/api/v1/batches/{batch_id}/results")
            [event] = [one for one in line.events_of(batch_id) if isinstance(one, AssessmentResultV1)]
            kept = await service.http.get(f"/v1/content/{event.result_ref}")
            given_up = await service.http.get("/admin/v1/given-up")

    assert status.state is AssessmentState.COMPLETED
    [completed] = [one for one in line.events_of(batch_id) if isinstance(one, CJAssessmentCompletedV1)]
    assert len(completed.processing_summary.successful_essay_ids) == ESSAYS
    assert [essay.rank for essay in event.essay_results] == sorted(e.rank for e in event.essay_results)
    assert len(event.essay_results) == ESSAYS
    assert event.assessment_metadata.grade_projections.bt_stats == {}
    whole = read_results(answer).result
    assert len(whole.assessment_metadata.grade_projections.bt_stats) == ESSAYS
    assert len(answer.content) > 2 * DEFAULT_BYTES
    assert [(one.essay_id, one.rank) for one in whole.essay_results] == [
        (one.essay_id, one.rank) for one in event.essay_results
    ]
    assert AssessmentResultV1.model_validate_json(kept.content) == whole
    assert given_up.json()["items"] == []


async def fail_if_asked(_item: ComparisonBatchItem, _envelope: ResultEnvelope) -> None:
    raise AssertionError("everything was judged before")


def read_results(answer: httpx2.Response) -> BatchResultsView:
    """The results as their reader parses them."""
    assert answer.status_code == 200, answer.text[:500]
    return BatchResultsView.model_validate_json(answer.content)
