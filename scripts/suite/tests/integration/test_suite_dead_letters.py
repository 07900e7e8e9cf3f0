"""cj-suite dlq on real Kafka: poison is listed, shown, replayed once or dropped, with counts before and after."""

import asyncio
import json
import re
import sys
import threading
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


@pytest.fixture(autouse=True)
def no_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """No installation of this machine is meant, whose own letters would be dropped."""
    monkeypatch.delenv("CJ_ADMIN_TOKEN", raising=False)
    for name in ("CJ_ASSESSMENT_URL", "LLM_PROVIDER_URL", "BATCH_CONDUCTOR_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


async def create_topics(kafka_bootstrap: str, topic: str) -> tuple[str, str]:
    """A topic and its dead-letter topic."""
    names = (topic, dead_letter_topic(topic))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1) for name in names])
    await admin.close()
    return names


@pytest.fixture
def dlq(kafka_bootstrap: str, topic_prefix: str) -> str:
    """A dead-letter topic with two letters."""

    async def fill() -> None:
        names = await create_topics(kafka_bootstrap, topic_prefix + TOPIC)
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
    assert "messages and items of cj_assessment are left out: set CJ_ADMIN_TOKEN" in listed.output
    assert f"waiting: 1 event unknown {TOPIC} malformed" in listed.output
    assert r"[red]no\x1b JSON" in shown.output
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


def item(name: str) -> dict[str, object]:
    return {
        "worker": "advance",
        "item": name,
        "attempts": 5,
        "error_code": "PROCESSING_ERROR",
        "error_message": "no",
        "first_failed_at": "2026-01-01T00:00:00Z",
        "set_aside_at": "2026-01-01T00:00:00Z",
    }


@pytest.fixture
def service() -> Iterator[str]:
    """A service with three set-aside items, the second of which cannot be replayed; returns its base URL."""

    class Routes(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.respond(200, {"items": [item(name) for name in ("one", "two", "three")]})

        def do_POST(self) -> None:
            if "/two/" in self.path:
                self.respond(409, {"error": {"message": "send the work again"}})
            else:
                self.respond(202, item("any"))

        def respond(self, status: int, body: object) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """The test reads the program's output, not the server's."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Routes) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_item_that_is_refused_and_a_service_that_is_down_keep_no_other_item_back(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CJ_ADMIN_TOKEN", "t")
    down = ("--llm-url", "http://127.0.0.1:9", "--conductor-url", service)

    result = CliRunner().invoke(app, ["dlq", "replay", "--all", "--kind", "item", "--cj-url", service, *down])

    assert "replayed: 4" in result.output
    assert "cj_assessment/item/advance/two was not replayed" in result.output
    assert "batch_conductor/item/advance/two was not replayed" in result.output
    assert "llm_provider at http://127.0.0.1:9 does not answer" in result.output
    assert result.exit_code == 1


async def test_two_operators_at_once_replay_each_letter_once(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = str(Topic.CJ_ASSESSMENT_FAILED)
    _, dead = await create_topics(kafka_bootstrap, topic_prefix + topic)
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        for number in range(250):
            await producer.send(dead, value=b"%d" % number)

    async def operator() -> bytes:
        where = ("--topic", topic, "--kafka", kafka_bootstrap, "--topic-prefix", topic_prefix)
        replaying = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("cj-suite"),
            *("dlq", "replay", "--kind", "event", *where),
            stdout=PIPE,
            stderr=DEVNULL,
        )
        return (await replaying.communicate())[0]

    await asyncio.gather(operator(), operator())
    last = await operator()  # an operator who was fenced begins again

    assert b"after: none" in last
    replayed = await published_messages(kafka_bootstrap, topics=re.escape(topic_prefix + topic))
    assert sorted(map(int, replayed)) == list(range(250))
