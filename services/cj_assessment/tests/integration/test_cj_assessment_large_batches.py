"""The largest batch on a broker whose topics hold what topics hold by default: its result leaves, and is whole."""

from uuid import UUID

import httpx2
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from cj_assessment.tests.building import request
from cj_assessment.tests.desk import ResultEnvelope, open_desk
from cj_assessment.tests.serving import ANNOUNCED, Assessment, Wire, replica, until, wire
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    BatchResultsView,
    CJAssessmentCompletedV1,
    ComparisonBatchItem,
    Topic,
)

ESSAYS = 5_000
DEFAULT_BYTES = 1_048_588
"""`max.message.bytes` of a topic that nobody has given another: 1 MiB and the framing of a batch."""
PATIENCE_SECONDS = 240.0


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


async def ask(service: Assessment, line: Wire) -> str:
    """Request the assessment of 5,000 essays, whose texts are 50 different ones; returns the batch id."""
    texts = [await service.store("word " * (20 + 10 * number)) for number in range(50)]
    essays = {str(UUID(int=number)): texts[number % len(texts)] for number in range(ESSAYS)}
    envelope = request(essays, hints={"max_comparisons": ESSAYS})
    assert len(envelope.to_json()) < DEFAULT_BYTES
    await line.publish(envelope)
    return envelope.data.entity_id


@pytest.mark.slow
async def test_five_thousand_essays_leave_through_topics_with_default_limits(
    cj_database: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    await create_default_topics(kafka_bootstrap, topic_prefix)
    lines: list[Wire] = []

    async def deliver(_item: ComparisonBatchItem, envelope: ResultEnvelope) -> None:
        await lines[0].producer.send(
            topic_prefix + envelope.event_type, value=envelope.to_json(), key=envelope.key.encode()
        )

    async with open_desk(deliver) as desk:
        settings = {"kafka_bootstrap_servers": kafka_bootstrap, "kafka_topic_prefix": topic_prefix}
        async with (
            replica(cj_database, desk, **settings) as service,
            wire(kafka_bootstrap, topic_prefix) as line,
        ):
            lines.append(line)
            batch_id = await ask(service, line)

            status = await service.until_ended(batch_id, seconds=PATIENCE_SECONDS)
            await until(lambda: len(line.events_of(batch_id)) >= 3, seconds=PATIENCE_SECONDS)
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


def read_results(answer: httpx2.Response) -> BatchResultsView:
    """The results as their reader parses them."""
    assert answer.status_code == 200, answer.text[:500]
    return BatchResultsView.model_validate_json(answer.content)
