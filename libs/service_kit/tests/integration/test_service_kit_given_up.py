"""Messages that were given up can be seen, sent again with their bytes, or dropped, by administrators alone."""

import pytest
from quart.typing import TestClientProtocol as Client
from service_kit.http.app import HttpService, create_app
from service_kit.http.given_up import GivenUpActions, given_up_api
from service_kit.http.set_aside import SetAsideActions, set_aside_api
from service_kit.messaging.event_bus import Refusal
from service_kit.messaging.outbox import DeliveryPolicy, bus_message, enqueue, mark_refused
from service_kit.storage.database import Database
from service_kit.tests.builders import consumption, new_metrics
from service_kit.tests.conftest import FetchAll
from service_kit.tests.integration.test_service_kit_set_aside_routes import ADMIN, Gate
from sqlalchemy import text

GIVEN_UP = "/admin/v1/given-up"


@pytest.fixture
def client(database: Database) -> Client:
    """Both lists of one service."""
    service = HttpService(
        name="kit",
        title="Kit",
        version="1",
        blueprints=[
            given_up_api(GivenUpActions(database=database)),
            set_aside_api(SetAsideActions(database=database, reopen={}, drop={})),
        ],
        checks={},
        metrics=new_metrics(),
        gate=Gate(),
    )
    return create_app(service).test_client()


@pytest.fixture
async def message_id(database: Database, fetch: FetchAll) -> int:
    """One message that was given up, and one that waits."""
    event = consumption()
    async with database.transaction() as connection:
        await enqueue(connection, [bus_message(event, key="k"), bus_message(consumption("b-2"), key="k")])
    ((number,),) = await fetch("SELECT id FROM outbox WHERE event_id = :id", id=event.event_id)
    async with database.transaction() as connection:
        await mark_refused(
            connection, {number: Refusal(reason="too large", final=True)}, policy=DeliveryPolicy()
        )
    return int(number)


async def test_what_was_given_up_is_listed_and_shown_with_its_reason(client: Client, message_id: int) -> None:
    (listed,) = (await (await client.get(GIVEN_UP, headers=ADMIN)).get_json())["items"]
    shown = await (await client.get(f"{GIVEN_UP}/{message_id}", headers=ADMIN)).get_json()

    assert (listed["id"], listed["last_error"], listed["value"]) == (message_id, "too large", None)
    assert '"quantity":1' in shown["value"]


async def test_a_replayed_message_is_due_again_once_with_the_same_bytes(
    client: Client, message_id: int, fetch: FetchAll
) -> None:
    query = "SELECT event_id, value FROM outbox WHERE id = :id"
    before = await fetch(query, id=message_id)

    first = await client.post(f"{GIVEN_UP}/{message_id}/replay", headers=ADMIN)
    second = await client.post(f"{GIVEN_UP}/{message_id}/replay", headers=ADMIN)

    assert (first.status_code, second.status_code) == (202, 404)
    assert await fetch(query, id=message_id) == before
    due = "SELECT 1 FROM outbox WHERE given_up_at IS NULL AND attempts = 0 AND not_before <= now()"
    assert len(await fetch(due)) == 2


async def test_a_dropped_message_is_gone_and_one_that_waits_cannot_be_dropped(
    client: Client, message_id: int, fetch: FetchAll
) -> None:
    dropped = await client.delete(f"{GIVEN_UP}/{message_id}", headers=ADMIN)
    ((other,),) = await fetch("SELECT id FROM outbox")
    refused = await client.delete(f"{GIVEN_UP}/{other}", headers=ADMIN)

    assert (dropped.status_code, refused.status_code) == (200, 404)
    assert other != message_id


async def test_an_item_that_was_set_aside_can_be_dropped_and_one_that_is_tried_cannot(
    client: Client, database: Database, fetch: FetchAll
) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO failed_item SELECT 'prepare', item, 5, 'C', 'm', now(), now(), now(),"
                " CASE WHEN aside THEN now() END FROM (VALUES ('b-1', true), ('b-2', false)) AS row (item, aside)"
            )
        )

    answers = [
        (await client.delete(f"/admin/v1/set-aside/prepare/{item}", headers=ADMIN)).status_code
        for item in ("b-1", "b-1", "b-2")
    ]

    assert answers == [200, 404, 404]
    assert await fetch("SELECT item FROM failed_item") == [("b-2",)]


@pytest.mark.parametrize("path", ["", "/1", "/1/replay"])
async def test_nobody_without_an_administrators_token_sees_or_changes_anything(
    client: Client, path: str
) -> None:
    call = client.post if path.endswith("replay") else client.get

    assert (await call(f"{GIVEN_UP}{path}")).status_code == 401
