"""Over Kafka: outcomes come in, skipped phases go out, once each, whatever replicas and restarts do."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from batch_conductor.settings import Settings
from batch_conductor.tests.building import (
    AI_FEEDBACK,
    CJ_ASSESSMENT,
    COMPREHENSIVE,
    NLP,
    SPELLCHECK,
    assessment,
    outcome,
    spelling,
)
from batch_conductor.tests.serving import SECRET, Conductor, all_sent, running
from event_contracts import (
    EventEnvelope,
    PhaseName,
    PhaseSkippedV1,
    ProcessingStage,
    Topic,
    dead_letter_topic,
    parse_envelope,
)
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from service_kit.messaging.event_bus import Headers
from service_kit.tests.ports import free_port
from service_kit.tests.tokens import SHARED_SECRET
from service_kit.tests.waiting import read_until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def settings(database_url: str, kafka_bootstrap: str, topic_prefix: str) -> Settings:
    """Settings of a conductor on Kafka."""
    return Settings(
        database_url=database_url,
        kafka_bootstrap_servers=kafka_bootstrap,
        kafka_topic_prefix=topic_prefix,
        http_port=free_port(),
        callback_signing_secret=SECRET,
        jwt_secret=SecretStr(SHARED_SECRET),
    )


class Platform:
    """The platform's other services: they publish events, and read what is published."""

    def __init__(self, producer: AIOKafkaProducer, *, settings: Settings) -> None:
        self._producer = producer
        self._settings = settings

    async def publish(self, *events: EventEnvelope[Any]) -> None:
        """Publish events as the contract says."""
        for event in events:
            await self.send(event.event_type, key=event.key, value=event.to_json(), headers=event.headers())

    async def send(self, topic: str, *, key: str, value: bytes, headers: Headers = ()) -> None:
        """Publish anything."""
        await self._producer.send_and_wait(
            self._settings.kafka_topic_prefix + topic, key=key.encode(), value=value, headers=list(headers)
        )

    async def publish_many(self, events: Sequence[EventEnvelope[Any]]) -> None:
        """Publish events without waiting for one before the next."""
        prefix = self._settings.kafka_topic_prefix
        sent = [
            await self._producer.send(
                prefix + event.event_type, key=event.key.encode(), value=event.to_json()
            )
            for event in events
        ]
        await asyncio.gather(*sent)

    async def everything_on(self, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
        """All records of a topic."""
        consumer = AIOKafkaConsumer(
            self._settings.kafka_topic_prefix + topic,
            bootstrap_servers=self._settings.kafka_bootstrap_servers,
            auto_offset_reset="earliest",
        )
        found: list[ConsumerRecord[bytes, bytes]] = []
        async with consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            while len(found) < sum(ends.values()):
                polled = await consumer.getmany(timeout_ms=200)
                found.extend(record for records in polled.values() for record in records)
        return found

    async def skipped_phases(self, batch_id: str) -> list[PhaseName]:
        """What is heard about a batch, once everything is sent; a stopped relay may have sent an event twice."""
        await all_sent(self._settings)
        records = await self.everything_on(Topic.PHASE_SKIPPED)
        events = [parse_envelope(record.value or b"", PhaseSkippedV1) for record in records]
        by_event_id = {event.event_id: event.data for event in events if event.key == batch_id}
        return [skipped.phase_name for skipped in by_event_id.values()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(settings: Settings) -> AsyncIterator[Platform]:
    """The platform around the conductor."""
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        yield Platform(producer, settings=settings)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conductors(settings: Settings) -> AsyncIterator[list[Conductor]]:
    """Two replicas on one database and one broker."""
    other = settings.model_copy(update={"http_port": free_port()})
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(replica)) for replica in (settings, other)]


async def handled(conductors: Sequence[Conductor]) -> float:
    """Events that the replicas have dealt with, repeated ones included."""
    pages = [await conductor.http.get("/metrics") for conductor in conductors]
    families = (family for page in pages for family in text_string_to_metric_families(page.text))
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "events_handled_total"
    )


async def test_a_restart_forgets_nothing_and_what_came_meanwhile_is_handled(
    settings: Settings, platform: Platform, batch_id: str
) -> None:
    async with running(settings) as conductor:
        await platform.publish(outcome(batch_id, SPELLCHECK))
        await read_until(lambda: conductor.phases(batch_id), holds=lambda phases: SPELLCHECK in phases)
        await conductor.pipeline(batch_id, COMPREHENSIVE)
    await platform.publish(outcome(batch_id, NLP))

    async with running(settings) as conductor:
        await read_until(
            lambda: conductor.phases(batch_id),
            holds=lambda phases: phases[NLP].status == ProcessingStage.COMPLETED,
        )
        answer = await conductor.pipeline(batch_id, COMPREHENSIVE)

        assert answer.final_pipeline == (CJ_ASSESSMENT, AI_FEEDBACK)
        assert await platform.skipped_phases(batch_id) == [SPELLCHECK, NLP]


async def test_an_outcome_comes_in_and_a_skipped_phase_goes_out(
    conductors: list[Conductor], platform: Platform, batch_id: str
) -> None:
    conductor = conductors[0]
    await platform.publish(outcome(batch_id, SPELLCHECK))
    await read_until(lambda: conductor.phases(batch_id), holds=lambda phases: SPELLCHECK in phases)

    answer = await conductor.pipeline(batch_id, CJ_ASSESSMENT)

    assert answer.final_pipeline == (CJ_ASSESSMENT,)
    assert await platform.skipped_phases(batch_id) == [SPELLCHECK]


async def test_two_replicas_and_repeated_deliveries_have_one_effect(
    conductors: list[Conductor], platform: Platform, batch_id: str
) -> None:
    essays = [f"e{number}" for number in range(20)]
    events: list[EventEnvelope[Any]] = [
        *(spelling(batch_id, essay_id, second=1) for essay_id in essays),
        outcome(batch_id, SPELLCHECK, processed=essays, second=2),
        assessment(batch_id, successful=essays[1:], failed=essays[:1], second=3),
    ]
    repeated = events * 3
    random.Random(3).shuffle(repeated)
    before = await handled(conductors)

    await platform.publish(*repeated)
    await read_until(lambda: handled(conductors), holds=lambda count: count >= before + len(repeated))
    answers = await asyncio.gather(
        *(conductor.pipeline(batch_id, COMPREHENSIVE) for conductor in conductors for _ in range(10))
    )

    phases = await conductors[0].phases(batch_id)
    assert {answer.final_pipeline for answer in answers} == {(NLP, AI_FEEDBACK)}
    assert await platform.skipped_phases(batch_id) == [SPELLCHECK, CJ_ASSESSMENT]
    assert (phases[SPELLCHECK].succeeded, phases[SPELLCHECK].expected) == (20, 20)
    assert (phases[CJ_ASSESSMENT].succeeded, phases[CJ_ASSESSMENT].failed) == (19, 1)


async def test_a_malformed_message_is_set_aside_untouched_and_stops_nothing(
    conductors: list[Conductor], platform: Platform, batch_id: str
) -> None:
    topic = Topic.ELS_BATCH_PHASE_OUTCOME

    await platform.send(topic, key=batch_id, value=b"no JSON", headers=(("from", b"els"),))
    await platform.publish(outcome(batch_id, NLP))

    await read_until(lambda: conductors[0].phases(batch_id), holds=lambda phases: NLP in phases)
    (record,) = await platform.everything_on(dead_letter_topic(topic))
    assert (record.key, record.value) == (batch_id.encode(), b"no JSON")
    headers = dict(record.headers)
    assert (headers["from"], headers["dlq-reason"]) == (b"els", b"malformed")
    assert headers["dlq-service"] == b"batch_conductor_service"
    assert headers["dlq-original-topic"] == str(topic).encode()


async def test_two_replicas_under_many_calls_and_events_end_in_one_state(
    conductors: list[Conductor], platform: Platform, batch_id: str
) -> None:
    batches = [f"{batch_id}-{number}" for number in range(40)]
    essays = [f"e{number}" for number in range(60)]
    events: list[EventEnvelope[Any]] = []
    for batch in batches:
        events += [spelling(batch, essay_id, second=1 + place) for place, essay_id in enumerate(essays)]
        events.append(outcome(batch, NLP, processed=essays[1:], failed=essays[:1], second=90))
        events.append(assessment(batch, successful=essays, second=91))
    repeated = (events * 2 + events[:40])[:5000]
    random.Random(7).shuffle(repeated)
    before = await handled(conductors)

    async def ask(number: int) -> None:
        answer = await conductors[number % 2].define(
            batches[number % len(batches)],
            COMPREHENSIVE,
            correlation_id=f"ask-{number}",
            metadata={"prompt_attached": True, "essay_count": len(essays)},
        )
        assert answer.status_code == 200, answer.text

    await asyncio.gather(platform.publish_many(repeated), *(ask(number) for number in range(200)))
    await read_until(lambda: handled(conductors), holds=lambda count: count >= before + len(repeated))

    assert len(repeated) == 5000
    seen = [[await conductor.phases(batch) for batch in batches] for conductor in conductors]
    assert seen[0] == seen[1]
    for phases in seen[0]:
        # No event speaks of spellcheck as a whole: its last expected essay has completed it.
        assert (phases[SPELLCHECK].status, phases[SPELLCHECK].succeeded) == (ProcessingStage.COMPLETED, 60)
        assert phases[NLP].failed_essay_ids == ("e0",)
        assert phases[CJ_ASSESSMENT].succeeded == 60
    answers = {
        (await conductor.pipeline(batches[0], COMPREHENSIVE)).model_dump_json() for conductor in conductors
    }
    assert len(answers) == 1
