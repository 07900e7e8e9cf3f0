"""What the relay of callbacks promises, on real PostgreSQL: each delivered, and none held up by another."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from service_kit.callbacks import relay as callbacks
from service_kit.callbacks.relay import CallbackRelay
from service_kit.messaging.outbox import enqueue
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tests.builders import captured_logs, metric, new_metrics, running
from service_kit.tests.callback_sending import SECRET, message_to, sending
from service_kit.tests.conftest import FetchAll
from service_kit.tests.plans import explained, rows_read, sequential_scans
from service_kit.tests.receiver import Receiver, receiving
from service_kit.tests.waiting import WAIT_TIMEOUT_SECONDS, eventually
from service_kit.work.worker import Wakeup
from sqlalchemy import text

REFUSES_TO_DELETE = (
    "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN RAISE EXCEPTION ''this row cannot be written''; END'",
    "CREATE TRIGGER refuse BEFORE DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION refuse()",
)


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


async def test_every_callback_is_delivered_once(
    database: Database, fetch: FetchAll, receiver: Receiver
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
    database: Database, fetch: FetchAll, receiver: Receiver, poison: str
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
    database: Database, receiver: Receiver
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
    database: Database, fetch: FetchAll, receiver: Receiver
) -> None:
    await write(database, [receiver.url("/status/503")])

    async with relaying(database):
        await eventually(lambda: len(receiver.received) >= 2)

    [row] = await fetch("SELECT attempts, last_error FROM outbox")
    assert row.attempts >= 1
    assert row.last_error == "the receiver answered 503"
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1


async def test_a_410_response_gives_up_and_is_logged(
    database: Database, fetch: FetchAll, receiver: Receiver
) -> None:
    metrics = new_metrics()
    secret_url = receiver.url("/status/410") + "#token=hunter2"
    await write(database, [secret_url])

    with captured_logs() as logs:
        async with relaying(database, metrics=metrics):
            await eventually(lambda: metric(metrics, "outbox_messages_given_up_total", transport="http") == 1)

    [entry] = [entry for entry in logs if entry["event"] == "outbox.given_up"]
    assert entry["key"] == "127.0.0.1"
    assert "hunter2" not in str(logs)
    assert len(await fetch("SELECT id FROM outbox WHERE given_up_at IS NOT NULL")) == 1


async def test_a_slow_receiver_holds_up_nobody_else(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
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
    database: Database, fetch: FetchAll, receiver: Receiver
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


async def test_a_callback_is_leased_to_one_relay(database: Database, receiver: Receiver) -> None:
    await write(database, [receiver.url("/silent")])

    async with relaying(database), relaying(database):
        await eventually(lambda: len(receiver.received) == 1)
        await asyncio.sleep(0.6)

    assert len(receiver.received) == 1


async def test_claiming_reads_no_given_up_rows_and_few_unsent_ones(
    database: Database, fetch: FetchAll
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
    database: Database, kit_database_url: str, receiver: Receiver
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
