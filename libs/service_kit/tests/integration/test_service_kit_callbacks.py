"""What signed callbacks promise, over real HTTP and real PostgreSQL: delivered or repeated, and only where allowed."""

import asyncio
import base64
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from event_contracts import InvalidCallback
from service_kit.callbacks import relay as callbacks
from service_kit.callbacks.policy import CallbackPolicy, callback_client
from service_kit.callbacks.relay import CallbackRelay, CallbackSender
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.messaging.event_bus import Refusal
from service_kit.messaging.outbox import OutgoingMessage, callback_message, enqueue
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tests.builders import (
    WAIT_TIMEOUT_SECONDS,
    captured_logs,
    consumption,
    eventually,
    metric,
    new_metrics,
    running,
)
from service_kit.tests.conftest import FetchAll
from service_kit.tests.plans import explained, rows_read, sequential_scans
from service_kit.tests.receiver import Receiver, receiving
from service_kit.work.worker import Wakeup
from sqlalchemy import text

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SIGNER = WebhookSigner(SECRET)
REFUSES_TO_DELETE = (
    "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN RAISE EXCEPTION ''this row cannot be written''; END'",
    "CREATE TRIGGER refuse BEFORE DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION refuse()",
)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@asynccontextmanager
async def sending(*allowed: str, ssl_context: ssl.SSLContext | None = None) -> AsyncIterator[CallbackSender]:
    """A sender that may call these hosts."""
    policy = CallbackPolicy(allowed_hosts=allowed or ("127.0.0.1",))
    async with callback_client(policy, ssl_context=ssl_context) as client:
        yield CallbackSender(client, signer=SIGNER)


def message_to(url: str, *, body: bytes = b"{}") -> OutgoingMessage:
    return OutgoingMessage(
        event_id=uuid4(), transport="http", destination=url, key=httpx2.URL(url).host, headers=(), value=body
    )


class TestDelivery:
    async def test_a_callback_carries_the_stored_bytes_and_a_valid_signature(
        self, receiver: Receiver
    ) -> None:
        event = consumption()

        async with sending() as sender:
            refusal = await sender.post(callback_message(event, url=receiver.url("/ok")))

        [one] = receiver.received
        assert refusal is None
        assert one.body == event.to_json()
        assert one.headers["content-type"] == "application/json"
        assert SIGNER.verify(one.headers, one.body) == str(event.event_id)

    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    async def test_any_2xx_is_delivered(self, receiver: Receiver, status: int) -> None:
        async with sending() as sender:
            assert await sender.post(message_to(receiver.url(f"/status/{status}"))) is None

    @pytest.mark.parametrize("status", [301, 400, 401, 404, 408, 429, 500, 503])
    async def test_any_other_status_is_retried(self, receiver: Receiver, status: int) -> None:
        async with sending() as sender:
            refusal = await sender.post(message_to(receiver.url(f"/status/{status}")))

        assert refusal == Refusal(reason=f"the receiver answered {status}")

    async def test_a_receiver_that_is_gone_is_not_asked_again(self, receiver: Receiver) -> None:
        async with sending() as sender:
            refusal = await sender.post(message_to(receiver.url("/status/410")))

        assert refusal == Refusal(reason="the receiver answered 410", final=True)

    async def test_a_redirect_is_not_followed(self, receiver: Receiver) -> None:
        async with sending() as sender:
            refusal = await sender.post(message_to(receiver.url("/redirect")))

        assert refusal == Refusal(reason="the receiver answered 307")
        assert [one.path for one in receiver.received] == ["/redirect"]

    @pytest.mark.parametrize("path", ["/silent", "/drip"])
    async def test_a_receiver_that_does_not_finish_its_answer_is_given_up_in_time(
        self, receiver: Receiver, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(callbacks, "TIMEOUT_SECONDS", 0.3)
        started = time.perf_counter()

        async with sending() as sender:
            refusal = await sender.post(message_to(receiver.url(path)))

        assert refusal == Refusal(reason="no answer within 0.3 s")
        assert time.perf_counter() - started < 10

    async def test_a_body_without_an_end_is_not_read(self, receiver: Receiver) -> None:
        async with sending() as sender, asyncio.timeout(10):
            assert await sender.post(message_to(receiver.url("/endless"))) is None

    async def test_a_refused_connection_is_a_reason_to_retry(self) -> None:
        async with sending() as sender:
            refusal = await sender.post(message_to("http://127.0.0.1:9/"))

        assert refusal is not None
        assert "ConnectError" in refusal.reason
        assert not refusal.final

    async def test_a_proxy_in_the_environment_is_not_used(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

        async with sending() as sender:
            assert await sender.post(message_to(receiver.url("/ok"))) is None


class Resolver:
    """Answers for made-up names, as any name server may, another address each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.asked = 0
        self._answers = answers
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def _getaddrinfo(self, _host: str, port: int, *_rest: object, **_more: object) -> list[tuple[Any, ...]]:
        addresses = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]


class TestWhereTo:
    async def test_a_wildcard_does_not_lead_to_a_private_address(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Resolver(monkeypatch, ["127.0.0.1"])

        async with sending("*.example.org") as sender:
            refusal = await sender.post(message_to(receiver.url("/ok", host="a.example.org")))

        assert refusal is not None
        assert "non-public address 127.0.0.1" in refusal.reason
        assert receiver.received == []

    async def test_one_private_address_among_public_ones_is_refused(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Resolver(monkeypatch, ["193.10.1.1", "::ffff:127.0.0.1"])

        async with sending("*.example.org") as sender:
            refusal = await sender.post(message_to(receiver.url("/ok", host="a.example.org")))

        assert refusal is not None
        assert "non-public" in refusal.reason

    async def test_an_exact_entry_may_lead_anywhere_and_keeps_its_name(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Resolver(monkeypatch, ["127.0.0.1"])

        async with sending("ras.internal") as sender:
            refusal = await sender.post(message_to(receiver.url("/ok", host="ras.internal")))

        assert refusal is None
        assert receiver.received[0].headers["host"] == f"ras.internal:{receiver.port}"

    async def test_a_name_is_not_resolved_again_after_its_check(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolver = Resolver(monkeypatch, ["203.0.113.1"], ["127.0.0.1"])
        monkeypatch.setattr(
            "service_kit.callbacks.policy.is_public", lambda address: str(address) != "127.0.0.1"
        )
        monkeypatch.setattr(callbacks, "TIMEOUT_SECONDS", 0.5)

        async with sending("*.example.org") as sender:
            refusal = await sender.post(message_to(receiver.url("/ok", host="a.example.org")))

        assert refusal is not None
        assert receiver.received == []
        assert resolver.asked == 1

    async def test_the_next_address_is_tried_when_nobody_listens_at_the_first(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Resolver(monkeypatch, ["127.0.0.2", "127.0.0.1"])

        async with sending("ras.internal") as sender:
            refusal = await sender.post(message_to(receiver.url("/ok", host="ras.internal")))

        assert refusal is None

    async def test_a_host_that_is_not_allowed_any_more_is_refused(self, receiver: Receiver) -> None:
        async with sending("other.example") as sender:
            refusal = await sender.post(message_to(receiver.url("/ok")))

        assert refusal is not None
        assert "not in callback_allowed_hosts" in refusal.reason
        assert receiver.received == []

    async def test_ipv6_literals_are_connected_to(self) -> None:
        try:
            async with receiving(host="::1") as receiver, sending("[::1]") as sender:
                refusal = await sender.post(message_to(receiver.url("/ok", host="[::1]")))
        except OSError as error:
            pytest.skip(f"no IPv6 loopback here: {error}")

        assert refusal is None
        assert receiver.received[0].headers["host"] == f"[::1]:{receiver.port}"

    async def test_a_name_that_does_not_resolve_is_tried_again(self) -> None:
        async with sending("*.invalid") as sender:
            refusal = await sender.post(message_to("http://nobody.invalid/"))

        assert refusal is not None
        assert not refusal.final

    async def test_the_policy_says_which_address_it_refused(self) -> None:
        policy = CallbackPolicy(allowed_hosts=("*.localhost",))

        with pytest.raises(InvalidCallback, match="not in callback_allowed_hosts"):
            await policy.addresses(httpx2.URL("http://localhost/"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of ``ras.internal``, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl program makes the certificate of this test: install it")
    folder = tmp_path_factory.mktemp("certificate")
    chain, key = folder / "chain.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    )
    names = ["-addext", "subjectAltName=DNS:ras.internal", "-keyout", str(key), "-out", str(chain)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return chain, key


class TestTls:
    async def test_the_name_of_the_url_is_asked_for_and_checked(
        self, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Resolver(monkeypatch, ["127.0.0.1"])
        serving, trusting = contexts(certificate)

        async with (
            receiving(certificate=serving) as receiver,
            sending("ras.internal", ssl_context=trusting) as sender,
        ):
            refusal = await sender.post(message_to(receiver.url("/ok", host="ras.internal", scheme="https")))

        assert refusal is None
        assert receiver.received[0].server_name == "ras.internal"

    async def test_a_certificate_for_another_name_is_refused(
        self, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Resolver(monkeypatch, ["127.0.0.1"])
        serving, trusting = contexts(certificate)

        async with (
            receiving(certificate=serving) as receiver,
            sending("els.internal", ssl_context=trusting) as sender,
        ):
            refusal = await sender.post(message_to(receiver.url("/ok", host="els.internal", scheme="https")))

        assert refusal is not None
        assert "certificate" in refusal.reason.lower()
        assert receiver.received == []


def contexts(certificate: tuple[Path, Path]) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    chain, key = certificate
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(chain, key)
    return serving, ssl.create_default_context(cafile=str(chain))


@asynccontextmanager
async def relaying(
    database: Database,
    *,
    metrics: ServiceMetrics | None = None,
    lease: timedelta = callbacks.LEASE,
    allowed: Sequence[str] = ("127.0.0.1", "127.0.0.2", "127.0.0.3"),
) -> AsyncIterator[CallbackRelay]:
    """A relay at work."""
    async with sending(*allowed) as sender:
        relay = CallbackRelay(
            database=database, sender=sender, metrics=metrics or new_metrics(), wakeup=Wakeup(), lease=lease
        )
        async with running(relay.run):
            yield relay


async def write(database: Database, urls: Sequence[str]) -> None:
    async with database.transaction() as connection:
        await enqueue(connection, [message_to(url, body=str(n).encode()) for n, url in enumerate(urls)])


class TestRelaying:
    async def test_every_callback_is_delivered_once(
        self, database: Database, fetch: FetchAll, receiver: Receiver
    ) -> None:
        metrics = new_metrics()
        await write(database, [receiver.url("/ok")] * 100)

        async with relaying(database, metrics=metrics), relaying(database, metrics=metrics):
            await eventually(lambda: metric(metrics, "outbox_messages_sent_total", transport="http") == 100)

        assert sorted(receiver.bodies("/ok")) == sorted(str(number).encode() for number in range(100))
        assert await fetch("SELECT id FROM outbox") == []

    @pytest.mark.parametrize(
        "poison",
        ["headers = 'not JSON'", "destination = 'http://' || repeat('a', 64) || '.example.org/'"],
    )
    async def test_a_callback_that_cannot_be_sent_at_all_is_given_up_and_delays_no_other(
        self, database: Database, fetch: FetchAll, receiver: Receiver, poison: str
    ) -> None:
        await write(database, [receiver.url("/ok")] * 20)
        async with database.transaction() as connection:
            await connection.execute(text(f"UPDATE outbox SET {poison} WHERE value = '7'"))

        async with relaying(database, allowed=("127.0.0.1", "*.example.org")):
            await eventually(lambda: len(receiver.bodies("/ok")) >= 19)
            async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
                while await fetch("SELECT 1 FROM outbox WHERE given_up_at IS NULL"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

        assert [row.value for row in await fetch("SELECT value FROM outbox")] == [b"7"]
        assert len(receiver.received) == 19

    async def test_a_bug_while_a_failure_is_recorded_is_logged_as_one_and_not_as_an_outage(
        self, database: Database, receiver: Receiver
    ) -> None:
        metrics = new_metrics()
        metrics.workers.item_failures = None  # type: ignore[assignment]  # a bug of our own
        async with database.transaction() as connection:
            for statement in REFUSES_TO_DELETE:
                await connection.execute(text(statement))
        await write(database, [receiver.url("/ok")])

        with captured_logs() as logs:
            async with relaying(database, metrics=metrics):
                await eventually(lambda: any(entry["event"] == "item.failure_not_recorded" for entry in logs))

        assert [entry for entry in logs if entry["event"] == "infrastructure.unavailable"] == []

    async def test_a_refused_callback_is_tried_again_later(
        self, database: Database, fetch: FetchAll, receiver: Receiver
    ) -> None:
        await write(database, [receiver.url("/status/503")])

        async with relaying(database):
            await eventually(lambda: len(receiver.received) >= 2)

        [row] = await fetch("SELECT attempts, last_error FROM outbox")
        assert row.attempts >= 1
        assert row.last_error == "the receiver answered 503"
        assert len({one.headers["webhook-id"] for one in receiver.received}) == 1

    async def test_a_410_response_gives_up_and_is_logged(
        self, database: Database, fetch: FetchAll, receiver: Receiver
    ) -> None:
        metrics = new_metrics()
        secret_url = receiver.url("/status/410") + "#token=hunter2"
        await write(database, [secret_url])

        with captured_logs() as logs:
            async with relaying(database, metrics=metrics):
                await eventually(
                    lambda: metric(metrics, "outbox_messages_given_up_total", transport="http") == 1
                )

        [entry] = [entry for entry in logs if entry["event"] == "outbox.given_up"]
        assert entry["key"] == "127.0.0.1"
        assert "hunter2" not in str(logs)
        assert len(await fetch("SELECT id FROM outbox WHERE given_up_at IS NOT NULL")) == 1

    async def test_a_slow_receiver_holds_up_nobody_else(
        self, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(callbacks, "TIMEOUT_SECONDS", 15.0)
        slow = [receiver.url("/silent", host="127.0.0.1")] * 600
        async with receiving(host="127.0.0.2") as other:
            await write(database, [*slow, *[other.url("/ok", host="127.0.0.2")] * 50])
            started = time.perf_counter()

            async with relaying(database):
                await eventually(lambda: len(other.received) == 50)
                seconds = time.perf_counter() - started

        assert seconds < 12
        assert receiver.most_at_once == callbacks.CONCURRENCY_PER_HOST

    async def test_no_transaction_is_open_while_a_receiver_thinks(
        self, database: Database, fetch: FetchAll, receiver: Receiver
    ) -> None:
        await write(database, [receiver.url("/silent")])

        async with relaying(database):
            await eventually(lambda: len(receiver.received) == 1)
            await asyncio.sleep(0.1)
            idle = await fetch(
                "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
                " AND state LIKE 'idle in transaction%'"
            )

        assert idle == []

    async def test_a_callback_is_leased_to_one_relay(self, database: Database, receiver: Receiver) -> None:
        await write(database, [receiver.url("/silent")])

        async with relaying(database), relaying(database):
            await eventually(lambda: len(receiver.received) == 1)
            await asyncio.sleep(0.6)

        assert len(receiver.received) == 1

    async def test_claiming_reads_no_given_up_rows_and_few_unsent_ones(
        self, database: Database, fetch: FetchAll
    ) -> None:
        async with database.transaction() as connection:
            await connection.execute(
                text(
                    "INSERT INTO outbox (event_id, transport, destination, key, headers,"
                    " value, given_up_at) SELECT gen_random_uuid(), 'http', 'http://host', 'host-' || n % 5, '[]',"
                    " '', CASE WHEN n < 100000 THEN now() END FROM generate_series(1, 120000) AS n"
                )
            )
            await connection.execute(text("ANALYZE outbox"))
        busy = {"hosts": ["host-1"], "counts": [3], "full_hosts": ["host-2"]}

        plan = await explained(fetch, callbacks.DUE, slots=32, per_host=8, **busy)

        assert sequential_scans(plan) == []
        assert rows_read(plan) < 2 * 500

    async def test_a_killed_relays_callbacks_are_sent_once_the_lease_is_over(
        self, database: Database, kit_database_url: str, receiver: Receiver
    ) -> None:
        await write(database, [receiver.url("/ok")])

        exit_code = await run_killed_relay(kit_database_url)
        before = len(receiver.received)
        async with relaying(database):
            await eventually(lambda: len(receiver.received) > before)

        assert exit_code == -signal.SIGKILL
        assert len({one.headers["webhook-id"] for one in receiver.received}) == 1


KILLED_RELAY = """
import asyncio, os, signal, sys
from datetime import timedelta
from prometheus_client import CollectorRegistry
from service_kit.callbacks.relay import CallbackRelay, CallbackSender
from service_kit.callbacks.policy import CallbackPolicy, callback_client
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.work.worker import Wakeup
from service_kit.callbacks.webhooks import WebhookSigner

class DyingSender(CallbackSender):
    async def post(self, message):
        await super().post(message)
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    client = callback_client(CallbackPolicy(allowed_hosts=("127.0.0.1",)))
    await CallbackRelay(
        database=Database(sys.argv[1]), sender=DyingSender(client, signer=WebhookSigner(sys.argv[2])),
        metrics=ServiceMetrics(CollectorRegistry()), wakeup=Wakeup(), lease=timedelta(seconds=3),
    ).run()

asyncio.run(main())
"""


async def run_killed_relay(database_url: str) -> int:
    """A relay in a process of its own that dies once the receiver has its callback; returns its exit code."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_RELAY, database_url, SECRET,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    async with asyncio.timeout(30):
        return await process.wait()
