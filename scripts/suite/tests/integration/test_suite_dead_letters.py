"""cj-suite dlq on real Kafka: poison is listed, shown, replayed once or dropped, with counts before and after."""

import asyncio
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from event_contracts import Topic, dead_letter_topic
from suite.cli import app
from suite.processes.topics import published_messages
from typer.testing import CliRunner, Result

TOPIC: Final = str(Topic.PHASE_SKIPPED)
HEADERS: Final = [("event_id", b"event-1"), ("dlq-reason", b"malformed"), ("dlq-error", b"[red]no\x1b JSON")]


@pytest.fixture
def dlq(kafka_bootstrap: str, topic_prefix: str) -> str:
    """A dead-letter topic with two letters."""

    async def fill() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        names = (topic_prefix + TOPIC, topic_prefix + dead_letter_topic(TOPIC))
        await admin.create_topics([NewTopic(name, 1, 1) for name in names])
        await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
            for value, headers in ((b"poison", HEADERS), (b"other", [("dlq-reason", b"not_handled")])):
                await producer.send_and_wait(names[1], value=value, key=b"k", headers=headers)

    asyncio.run(fill())
    return dead_letter_topic(TOPIC)


def test_letters_are_listed_shown_replayed_once_and_dropped(
    dlq: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    def run(*arguments: str) -> Result:
        where = ("--kafka", kafka_bootstrap, "--topic-prefix", topic_prefix)
        return CliRunner().invoke(app, ["dlq", *arguments, *where])

    def published() -> list[bytes]:
        return asyncio.run(published_messages(kafka_bootstrap, topics=topic_prefix + TOPIC))

    listed = run("list", "--topic", dlq)
    shown = run("show", "event-1")
    unspecific = run("replay")
    tried = run("replay", "--reason", "malformed", "--dry-run")
    assert published() == []
    replayed = run("replay", "--reason", "malformed")
    again = run("replay", "--id", "event-1")
    dropped = run("drop", "--all")
    nothing = run("list")

    assert f"{dlq}:0:0" in listed.output
    assert f"waiting: 1 event unknown {TOPIC} malformed" in listed.output
    assert "[red]no� JSON" in shown.output
    assert "poison" in shown.output
    assert unspecific.exit_code == 2
    assert "1 would be replayed" in tried.output
    assert "after: none" in replayed.output
    assert "replayed: 1" in replayed.output
    assert "replayed: 0" in again.output
    assert published() == [b"poison"]
    assert "dropped: 1" in dropped.output
    assert "waiting: none" in nothing.output


def test_a_broker_that_is_away_is_one_line() -> None:
    result = CliRunner().invoke(app, ["dlq", "list", "--kafka", "127.0.0.1:9"])

    assert result.exit_code == 1
    assert "does not answer" in result.output
    assert "Traceback" not in result.output


def test_the_rules_of_pipelines_are_checked(tmp_path: Path) -> None:
    good = CliRunner().invoke(app, ["pipelines", "check"])
    bad = CliRunner().invoke(app, ["pipelines", "check", f"{tmp_path}/none.yaml"])

    assert good.exit_code == 0
    assert "ai_feedback: spellcheck → nlp → ai_feedback" in good.output
    assert bad.exit_code == 1
