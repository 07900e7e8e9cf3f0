"""The service on a real broker, with two replicas: nothing is counted twice, nothing is lost, no batch starves."""

import asyncio
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import datetime

import pytest
import pytest_asyncio
from cj_assessment.tests.building import request
from cj_assessment.tests.fake_llm_provider import ResultEnvelope, Vote, open_fake_llm_provider
from cj_assessment.tests.serving import Assessment, Wire, replica, wire
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    CJAssessmentCompletedV1,
    CJAssessmentFailedV1,
    ComparisonBatchItem,
    ErrorCode,
    ResourceConsumptionV1,
    Topic,
    Winner,
)
from service_kit.tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS: dict[str, str | bytes] = {f"essay-{n}": "word " * (20 + 10 * n) for n in range(8)}
DEAD_REQUESTS = f"{Topic.CJ_ASSESSMENT_REQUESTED}.DLQ"


class Stage:
    """Two replicas on one database and one broker, and everybody else on the wire."""

    def __init__(self, replicas: list[Assessment], line: Wire) -> None:
        self.replicas, self.wire = replicas, line
        self.one, self.fake_llm = replicas[0], replicas[0].fake_llm

    async def request(self, texts: dict[str, str | bytes], *, times: int = 1) -> str:
        """Publish a request, ``times`` times; returns its batch id."""
        envelope = request(await self.one.store_all(texts), hints={"target_reliability": 0.8})
        for _ in range(times):
            await self.wire.publish(envelope)
        return envelope.data.entity_id

    async def announced(self, batch_id: str, *, settle: float = 0.5) -> Counter[str]:
        """What was announced of a batch, by kind, once nothing more comes."""
        await eventually(
            lambda: any(isinstance(e, ResourceConsumptionV1) for e in self.wire.events_of(batch_id))
        )
        await asyncio.sleep(settle)
        return Counter(type(event).__name__ for event in self.wire.events_of(batch_id))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    make_database: Callable[[str], str], kafka_bootstrap: str, topic_prefix: str
) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as closing:
        lines: list[Wire] = []

        async def deliver(_item: ComparisonBatchItem, envelope: ResultEnvelope) -> None:
            await lines[0].publish(envelope)

        fake_llm = await closing.enter_async_context(open_fake_llm_provider(deliver))
        database = make_database("cj")
        replicas = [
            await closing.enter_async_context(
                replica(
                    database,
                    fake_llm,
                    kafka_bootstrap_servers=kafka_bootstrap,
                    kafka_topic_prefix=topic_prefix,
                )
            )
            for _ in range(2)
        ]
        lines.append(await closing.enter_async_context(wire(kafka_bootstrap, topic_prefix)))
        yield Stage(replicas, lines[0])


@pytest.fixture
def stage(running: Stage) -> Stage:
    running.fake_llm.tidy()
    return running


async def test_a_batch_is_announced_with_exactly_one_event_of_each_kind(stage: Stage) -> None:
    batch_id = await stage.request(TEXTS)

    status = await stage.one.until_ended(batch_id)

    assert status.state is AssessmentState.COMPLETED
    assert await stage.announced(batch_id) == {
        AssessmentResultV1.__name__: 1,
        CJAssessmentCompletedV1.__name__: 1,
        ResourceConsumptionV1.__name__: 1,
    }
    (consumed,) = [e for e in stage.wire.events_of(batch_id) if isinstance(e, ResourceConsumptionV1)]
    assert consumed.quantity == status.progress.comparisons_judged


async def test_repeated_requests_and_shuffled_callbacks_give_the_result_of_one_of_each(
    stage: Stage,
) -> None:
    once = await stage.request(TEXTS)
    await stage.one.until_ended(once)
    quiet = await stage.one.result(once)

    stage.fake_llm.copies, stage.fake_llm.shuffled = 3, True
    noisy_id = await stage.request(TEXTS, times=5)
    status = await stage.replicas[1].until_ended(noisy_id)
    noisy = await stage.one.result(noisy_id)

    # A fit starts from the scores of the round before, and where rounds end depends on the order of answers.
    ranked = [{e["essay_id"]: e["bt_score"] for e in result["essay_results"]} for result in (quiet, noisy)]
    assert list(ranked[0]) == list(ranked[1])
    assert ranked[0] == pytest.approx(ranked[1], rel=1e-13)
    assert sum((await stage.announced(noisy_id)).values()) == 3
    assert status.progress.comparisons_judged == noisy["assessment_metadata"]["comparison_count"]


async def test_late_answers_change_nothing_but_what_was_consumed(stage: Stage) -> None:
    stage.fake_llm.answers_immediately = stage.fake_llm.answers_cancelled = False
    batch_id = await stage.request(TEXTS)
    await eventually(lambda: len(stage.fake_llm.taken) >= 8)
    await stage.one.http.post(f"/api/v1/batches/{batch_id}/cancel")
    await stage.one.until_ended(batch_id)
    await eventually(lambda: len(stage.wire.events_of(batch_id)) >= 2)
    before = [type(event) for event in stage.wire.events_of(batch_id)]
    late = len(stage.fake_llm.waiting())

    await stage.fake_llm.answer(stage.fake_llm.waiting())

    # On topics of their own, which have no order between them.
    assert set(before) == {CJAssessmentFailedV1, CJAssessmentCompletedV1}
    assert await stage.announced(batch_id) == {
        CJAssessmentFailedV1.__name__: 1,
        CJAssessmentCompletedV1.__name__: 1,
        ResourceConsumptionV1.__name__: 1,
    }
    (consumed,) = [e for e in stage.wire.events_of(batch_id) if isinstance(e, ResourceConsumptionV1)]
    assert consumed.quantity == late


async def test_a_result_for_another_caller_is_left_alone(stage: Stage) -> None:
    stage.fake_llm.answers_immediately = False
    batch_id = await stage.request(TEXTS)
    await eventually(lambda: len(stage.fake_llm.taken) >= 8)
    item = next(iter(stage.fake_llm.taken.values()))
    foreign = item.model_copy(update={"metadata": {"bos_batch_id": batch_id}})

    await stage.wire.publish(stage.fake_llm.result(foreign, Vote(winner=Winner.ESSAY_A)))
    stage.fake_llm.answers_immediately = True
    await stage.fake_llm.answer(stage.fake_llm.waiting())
    status = await stage.one.until_ended(batch_id)

    assert status.state is AssessmentState.COMPLETED
    assert [topic for topic, _, _ in stage.wire.dead if topic.startswith(Topic.LLM_COMPARISON_RESULT)] == []


async def test_a_request_that_cannot_be_assessed_ends_in_a_failed_event(stage: Stage) -> None:
    envelope = request({"a": "1", "b": "2"}, hints={"target_reliability": 7})

    await stage.wire.publish(envelope)
    await eventually(lambda: len(stage.wire.events_of(envelope.data.entity_id)) >= 2)

    ended, failed = sorted(
        stage.wire.events_of(envelope.data.entity_id), key=lambda event: type(event).__name__
    )
    assert isinstance(ended, CJAssessmentCompletedV1)
    assert ended.processing_summary.failed_essay_ids == ("a", "b")
    assert isinstance(failed, CJAssessmentFailedV1)
    assert "target_reliability" in failed.error_detail().message


async def test_a_malformed_message_goes_to_the_dead_letters_as_it_was_and_the_next_one_is_handled(
    stage: Stage,
) -> None:
    broken = b'{"event_id": "not-even-json'
    await stage.wire.publish_bytes(Topic.CJ_ASSESSMENT_REQUESTED, broken, key="somebody")

    batch_id = await stage.request(TEXTS)
    status = await stage.one.until_ended(batch_id)

    (dead,) = [value for topic, value, _ in stage.wire.dead if topic == DEAD_REQUESTS and value == broken]
    assert dead == broken
    assert status.state is AssessmentState.COMPLETED


async def test_a_judge_who_fails_on_a_third_of_the_calls_is_asked_for_other_pairs(stage: Stage) -> None:
    calls: Counter[str] = Counter()

    def moody(item: ComparisonBatchItem) -> Vote:
        calls["all"] += 1
        if calls["all"] % 3 == 0:
            return Vote(error_code=ErrorCode.LLM_PROVIDER_TIMEOUT)
        return honest(item)

    honest = stage.fake_llm.judge
    stage.fake_llm.judge = moody
    batch_id = await stage.request(TEXTS)
    status = await stage.one.until_ended(batch_id, seconds=60)

    assert status.state is AssessmentState.COMPLETED
    settled = status.progress.comparisons_judged + status.progress.comparisons_failed
    assert 0 < status.progress.comparisons_failed <= settled / 2
    assert calls["all"] >= settled
    assert len(stage.fake_llm.taken) == calls["all"]


@pytest.mark.slow
async def test_twenty_batches_at_once_on_two_replicas_all_end_and_none_starves(stage: Stage) -> None:
    stored = await stage.one.store_all({f"essay-{n}": "word " * (20 + n) for n in range(16)})
    asked = [request(stored, hints={"target_reliability": 0.9999, "max_comparisons": 40}) for _ in range(20)]
    batches = [envelope.data.entity_id for envelope in asked]

    await asyncio.gather(*map(stage.wire.publish, asked))
    ended = await asyncio.gather(*(stage.one.until_ended(batch_id, seconds=240) for batch_id in batches))

    first = min(status.created_at for status in ended)
    assert {status.state for status in ended} == {AssessmentState.COMPLETED}
    took = [seconds_since(first, status.completed_at) for status in ended]
    assert max(took) <= 2 * statistics.median(took)


def seconds_since(first: datetime, ended: datetime | None) -> float:
    assert ended is not None, "an ended batch has the time of its end"
    return (ended - first).total_seconds()
