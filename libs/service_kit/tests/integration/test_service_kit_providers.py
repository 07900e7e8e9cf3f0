"""What a service gets from the kit, assembled as services assemble it, on real PostgreSQL."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from dishka import AsyncContainer, make_async_container
from event_contracts import ConfigurationError
from pydantic import SecretStr
from service_kit.housekeeping import Housekeeping
from service_kit.messaging.event_bus import EventBus, KafkaEventBus, MemoryEventBus
from service_kit.messaging.outbox import bus_message, callback_message, enqueue
from service_kit.providers import InfrastructureProvider, Relays
from service_kit.settings import ServiceSettings
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tests.builders import Recorder, consumption, metric, running
from service_kit.tests.conftest import FetchAll
from service_kit.tests.receiver import receiving
from service_kit.tests.waiting import eventually
from sqlalchemy import text


def settings(database_url: str, **changes: object) -> ServiceSettings:
    common = {
        "database_url": database_url,
        "event_bus": "memory",
        "http_port": 8199,
        "callback_signing_secret": SecretStr("whsec_" + "A" * 40),
        "callback_allowed_hosts": ("127.0.0.1",),
    }
    return ServiceSettings.model_validate({**common, **changes})


@asynccontextmanager
async def assembled(settings: ServiceSettings, *, bus: EventBus | None) -> AsyncIterator[AsyncContainer]:
    container = make_async_container(InfrastructureProvider(settings, service="kit_service", bus=bus))
    yield container
    await container.close()


async def test_what_is_enqueued_leaves_by_both_relays(database: Database, kit_database_url: str) -> None:
    bus, recorder, event = MemoryEventBus(), Recorder(), consumption()
    bus.subscribe([event.event_type], group="readers", handler=recorder)

    async with receiving() as receiver, assembled(settings(kit_database_url), bus=bus) as container:
        relays = await container.get(Relays)
        async with running(*(loop.run for loop in relays.workers())):
            async with database.transaction() as connection:
                to_bus = bus_message(event, key=event.key)
                await enqueue(connection, [to_bus, callback_message(event, url=receiver.url("/ok"))])
            relays.wake()
            await recorder.until(1)
            await eventually(lambda: receiver.bodies("/ok") == [event.to_json()])

    assert recorder.values == [event.to_json()]


async def test_housekeeping_measures_the_outbox_and_prunes(
    database: Database, fetch: FetchAll, kit_database_url: str
) -> None:
    async with database.transaction() as connection:
        await enqueue(connection, [bus_message(consumption(), key="a") for _ in range(3)])
        for change in (
            "given_up_at = now() - interval '40 days'",
            "created_at = now() - interval '1 hour'",
        ):
            unchanged = "given_up_at IS NULL AND created_at > now() - interval '1 minute'"
            await connection.execute(
                text(f"UPDATE outbox SET {change} WHERE id = (SELECT min(id) FROM outbox WHERE {unchanged})")
            )
        await connection.execute(
            text("INSERT INTO inbox VALUES ('a', gen_random_uuid(), now() - interval '15 days')")
        )

    async with assembled(settings(kit_database_url), bus=MemoryEventBus()) as container:
        housekeeping = await container.get(Housekeeping)
        metrics = await container.get(ServiceMetrics)
        rest = await housekeeping.tidy()

    assert rest is None
    assert metric(metrics, "outbox_backlog_messages", transport="bus") == 2
    assert metric(metrics, "outbox_given_up_messages", transport="bus") == 1
    assert 3590 < metric(metrics, "outbox_oldest_seconds", transport="bus") < 3700
    assert len(await fetch("SELECT id FROM outbox")) == 2
    assert await fetch("SELECT 1 FROM inbox") == []


async def test_housekeeping_measures_often_and_prunes_now_and_then(
    database: Database, fetch: FetchAll, kit_database_url: str
) -> None:
    async with assembled(settings(kit_database_url), bus=MemoryEventBus()) as container:
        housekeeping = await container.get(Housekeeping)
        await housekeeping.tidy()
        async with database.transaction() as connection:
            await connection.execute(
                text("INSERT INTO inbox VALUES ('a', gen_random_uuid(), now() - interval '15 days')")
            )
        started = time.perf_counter()
        await housekeeping.tidy()

    assert len(await fetch("SELECT 1 FROM inbox")) == 1
    assert time.perf_counter() - started < 5


async def test_a_service_alone_gets_a_kafka_bus(kit_database_url: str) -> None:
    alone = settings(kit_database_url, event_bus="kafka", kafka_bootstrap_servers="127.0.0.1:9")

    async with assembled(alone, bus=None) as container:
        assert isinstance(await container.get(EventBus), KafkaEventBus)


async def test_a_memory_bus_for_a_service_alone_is_refused(kit_database_url: str) -> None:
    async with assembled(settings(kit_database_url), bus=None) as container:
        with pytest.raises(ConfigurationError, match="needs event_bus=kafka"):
            await container.get(EventBus)
