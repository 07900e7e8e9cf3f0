"""Poison on real Kafka lands among the dead letters, and comes back by replay exactly once."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from batch_conductor.settings import Settings
from batch_conductor.tests.building import NLP, SPELLCHECK, outcome
from batch_conductor.tests.serving import SECRET, Conductor, message, running
from event_contracts import Topic
from pydantic import SecretStr
from service_kit.messaging.dead_letters import Action, DeadLetter, DeadLetters, LetterFilter
from service_kit.tests.ports import free_port
from service_kit.tests.tokens import SHARED_SECRET
from service_kit.tests.waiting import read_until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("conductor")]

TOPIC = str(Topic.ELS_BATCH_PHASE_OUTCOME)
EVERYTHING = LetterFilter()


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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conductor(settings: Settings) -> AsyncIterator[Conductor]:
    """A conductor on Kafka."""
    async with running(settings) as conductor:
        yield conductor


@pytest.fixture(scope="module")
def letters(kafka_bootstrap: str, topic_prefix: str) -> DeadLetters:
    """The installation's dead letters."""
    return DeadLetters(bootstrap_servers=kafka_bootstrap, topic_prefix=topic_prefix)


async def waiting(letters: DeadLetters, wanted: LetterFilter = EVERYTHING) -> list[DeadLetter]:
    return [letter async for letter in letters.waiting(wanted)]


async def test_poison_comes_back_by_replay_exactly_once_and_can_be_dropped(
    settings: Settings, letters: DeadLetters, batch_id: str
) -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        contradictory = message(outcome(batch_id, NLP, processed=["e1"], failed=["e1"]))
        for key, value, headers in (
            (b"k", b"no JSON", [("from", b"els")]),
            (contradictory.key, contradictory.value, list(contradictory.headers)),
            (b"k", outcome(batch_id, SPELLCHECK).to_json(), []),
        ):
            await producer.send_and_wait(
                settings.kafka_topic_prefix + TOPIC, key=key, value=value, headers=headers
            )
    await read_until(lambda: waiting(letters), holds=lambda found: len(found) == 2)
    first = await waiting(letters)
    assert {letter.reason for letter in first} == {"malformed", "not_handled"}
    assert {letter.value for letter in first} == {b"no JSON", contradictory.value}
    (refused,) = await waiting(letters, LetterFilter(reason="not_handled"))
    event_id = dict(contradictory.headers)["event_id"]
    assert event_id is not None
    assert refused.event_id == event_id.decode()

    # It is refused again: it comes back once, as a new letter, and the first one waits no more.
    replayed = await letters.handle(LetterFilter(ids=frozenset({event_id.decode()})), Action.REPLAY)
    await read_until(lambda: waiting(letters), holds=lambda found: len(found) == 2)
    second = await waiting(letters)

    assert replayed.count == 1
    (again,) = [letter for letter in second if letter.reason == "not_handled"]
    assert again.letter_id != refused.letter_id
    assert (again.value, again.key, again.headers) == (refused.value, refused.key, refused.headers)

    counts = await letters.counts(EVERYTHING)
    dropped = await letters.handle(EVERYTHING, Action.DROP)
    assert (sum(counts.values()), dropped.count) == (2, 2)
    assert (await letters.handle(EVERYTHING, Action.REPLAY)).count == 0
    assert await waiting(letters) == []


async def test_what_can_be_handled_after_a_mend_is_handled_once_by_replay(
    conductor: Conductor, settings: Settings, letters: DeadLetters, batch_id: str
) -> None:
    good = message(outcome(batch_id, SPELLCHECK))
    dlq = f"{settings.kafka_topic_prefix}{TOPIC}.DLQ"
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        added = [*good.headers, ("dlq-reason", b"not_handled"), ("dlq-original-topic", b"somewhere else")]
        await producer.send_and_wait(dlq, key=good.key, value=good.value, headers=added)

    done = [(await letters.handle(LetterFilter(topic=TOPIC), Action.REPLAY)).count for _ in range(2)]

    await read_until(lambda: conductor.phases(batch_id), holds=lambda phases: SPELLCHECK in phases)
    assert done == [1, 0]
    assert await waiting(letters) == []


async def test_a_letter_that_its_topic_no_longer_takes_keeps_no_other_back(
    settings: Settings, letters: DeadLetters, batch_id: str
) -> None:
    topic = str(Topic.SPELLCHECK_PHASE_COMPLETED)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    name = f"{settings.kafka_topic_prefix}{topic}"
    smaller = ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": "2000"})
    await admin.alter_configs([smaller])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        for value in (b"small", b"large" * 1000, b"last"):
            await producer.send_and_wait(f"{name}.DLQ", key=batch_id.encode(), value=value)

    handled = await letters.handle(LetterFilter(topic=topic), Action.REPLAY)

    left = await waiting(letters, LetterFilter(topic=topic))
    assert handled.count == 2
    assert b"large" * 1000 in [letter.value for letter in left]
    assert list(handled.refused) == [letter.letter_id for letter in left if letter.value == b"large" * 1000]
