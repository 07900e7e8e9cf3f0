"""Messages that a relay has set aside, by the routes that every service has: sent once replayed, gone once dropped."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from quart.typing import TestClientProtocol as Client
from service_kit.http.app import HttpService, create_app
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.messaging.outbox import bus_message, callback_message, enqueue
from service_kit.providers import Relays, administration_api
from service_kit.running import BackgroundLoop
from service_kit.storage.database import Database
from service_kit.tests.builders import Recorder, consumption, new_metrics, running
from service_kit.tests.conftest import FetchAll
from service_kit.tests.integration.test_service_kit_providers import assembled, settings
from service_kit.tests.integration.test_service_kit_set_aside_routes import ADMIN, Gate
from service_kit.tests.receiver import Receiver, receiving
from service_kit.tests.waiting import eventually
from sqlalchemy import text


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A relay, the one message that it has set aside, and the routes for operators."""

    relay: BackgroundLoop
    message_id: int
    client: Client
    bus: Recorder
    receiver: Receiver

    @property
    def path(self) -> str:
        return f"/admin/v1/set-aside/{self.relay.name}/{self.message_id}"

    def deliveries(self) -> int:
        return len(self.bus.records) + len(self.receiver.received)


@pytest.fixture(params=["bus", "http"])
async def set_aside(
    request: pytest.FixtureRequest, database: Database, fetch: FetchAll, kit_database_url: str
) -> AsyncIterator[SetAside]:
    event, bus, recorder = consumption(), MemoryEventBus(), Recorder()
    bus.subscribe([event.event_type], group="readers", handler=recorder)
    async with receiving() as receiver, assembled(settings(kit_database_url), bus=bus) as container:
        relays = await container.get(Relays)
        if request.param == "bus":
            relay, message = relays.workers()[0], bus_message(event, key="k")
        else:
            relay, message = relays.workers()[1], callback_message(event, url=receiver.url("/ok"))
        async with database.transaction() as connection:
            await enqueue(connection, [message])
            await connection.execute(
                text(
                    "INSERT INTO failed_item SELECT :worker, CAST(id AS text), 5, 'C', 'cannot be marked', now(),"
                    " now(), now(), now() FROM outbox"
                ),
                {"worker": relay.name},
            )
        ((number,),) = await fetch("SELECT id FROM outbox")
        yield SetAside(
            relay=relay,
            message_id=number,
            client=administration(database),
            bus=recorder,
            receiver=receiver,
        )


def administration(database: Database) -> Client:
    service = HttpService(
        name="kit",
        title="Kit",
        version="1",
        blueprints=administration_api(database=database, reopen={}),
        checks={},
        metrics=new_metrics(),
        gate=Gate(),
    )
    return create_app(service).test_client()


async def test_a_replayed_message_is_sent(set_aside: SetAside, fetch: FetchAll) -> None:
    answer = await set_aside.client.post(f"{set_aside.path}/replay", headers=ADMIN)

    assert answer.status_code == 202
    async with running(set_aside.relay.run):
        await eventually(lambda: set_aside.deliveries() == 1)
    assert await fetch("SELECT 1 FROM failed_item") == []


async def test_a_dropped_message_is_never_sent(set_aside: SetAside, fetch: FetchAll) -> None:
    answer = await set_aside.client.delete(set_aside.path, headers=ADMIN)

    assert answer.status_code == 200
    assert await fetch("SELECT 1 FROM outbox") == []
    assert await fetch("SELECT 1 FROM failed_item") == []
