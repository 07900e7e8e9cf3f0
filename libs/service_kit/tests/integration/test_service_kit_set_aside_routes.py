"""What the set-aside routes promise: administrators see what was set aside and why, and can have it tried again."""

from collections.abc import Mapping, Sequence

import pytest
from event_contracts import NotAuthenticated
from quart.typing import TestClientProtocol as Client
from service_kit.http.app import HttpService, create_app
from service_kit.http.permissions import Caller, Permission
from service_kit.http.set_aside import Reopen, SetAsideActions, set_aside_api
from service_kit.storage.database import Database
from service_kit.tests.builders import captured_logs, new_metrics
from service_kit.tests.conftest import FetchAll
from sqlalchemy import text


class Gate:
    """Admits one token."""

    async def admit(self, authorization: Sequence[str], *, any_of: frozenset[Permission]) -> Caller:
        if list(authorization) != ["Bearer good"]:
            raise NotAuthenticated("send a token")
        assert any_of == {Permission.OPERATE}
        return Caller(subject="operator-1", organisation=None, issuer="test", roles=("operator",))


def client_of(database: Database, reopen: Mapping[str, Reopen]) -> Client:
    actions = SetAsideActions(database=database, reopen=reopen, drop={})
    service = HttpService(
        name="kit",
        title="Kit",
        version="1",
        blueprints=[set_aside_api(actions)],
        checks={},
        metrics=new_metrics(),
        gate=Gate(),
    )
    return create_app(service).test_client()


ADMIN = {"Authorization": "Bearer good"}


@pytest.fixture
async def filled(database: Database) -> Database:
    """Two items that were set aside, and one that is still tried."""
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO failed_item SELECT worker, item, 5, 'VALIDATION_ERROR', 'cannot be read', now(), now(),"
                " now(), CASE WHEN aside THEN now() END FROM (VALUES"
                " ('prepare', 'batch-1', true), ('advance', 'batch-2', true), ('advance', 'batch-3', false)"
                ") AS row (worker, item, aside)"
            )
        )
    return database


async def test_what_was_set_aside_is_listed_with_its_reason(filled: Database) -> None:
    client = client_of(filled, {})

    everything = await (await client.get("/admin/v1/set-aside", headers=ADMIN)).get_json()
    of_one = await (await client.get("/admin/v1/set-aside?worker=advance", headers=ADMIN)).get_json()

    assert sorted(item["item"] for item in everything["items"]) == ["batch-1", "batch-2"]
    (item,) = of_one["items"]
    assert (item["worker"], item["item"], item["attempts"]) == ("advance", "batch-2", 5)
    assert (item["error_code"], item["error_message"]) == ("VALIDATION_ERROR", "cannot be read")


async def test_a_replayed_item_is_reopened_once_and_no_longer_set_aside(
    filled: Database, fetch: FetchAll
) -> None:
    reopened: list[str] = []

    async def reopen(item: str) -> bool:
        reopened.append(item)
        return True

    client = client_of(filled, {"advance": reopen})
    with captured_logs() as logs:
        first = await client.post("/admin/v1/set-aside/advance/batch-2/replay", headers=ADMIN)
        second = await client.post("/admin/v1/set-aside/advance/batch-2/replay", headers=ADMIN)

    assert (first.status_code, second.status_code) == (202, 404)
    assert reopened == ["batch-2"]
    assert await fetch("SELECT 1 FROM failed_item WHERE item = 'batch-2'") == []
    assert [entry["by"] for entry in logs if entry["event"] == "item.replayed"] == ["operator-1"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("advance/batch-9", 404),
        ("advance/batch-3", 404),
        ("prepare/batch-1", 409),
        ("nobody/batch-1", 404),
    ],
)
async def test_what_cannot_be_replayed_stays_as_it_is(
    filled: Database, fetch: FetchAll, path: str, status: int
) -> None:
    client = client_of(filled, {})

    answer = await client.post(f"/admin/v1/set-aside/{path}/replay", headers=ADMIN)

    assert answer.status_code == status
    assert len(await fetch("SELECT 1 FROM failed_item")) == 3


async def test_an_item_that_can_no_longer_be_reopened_stays_listed(filled: Database, fetch: FetchAll) -> None:
    async def refuses(_item: str) -> bool:
        return False

    client = client_of(filled, {"advance": refuses})

    answer = await client.post("/admin/v1/set-aside/advance/batch-2/replay", headers=ADMIN)

    assert answer.status_code == 409
    assert len(await fetch("SELECT 1 FROM failed_item WHERE set_aside_at IS NOT NULL")) == 2


@pytest.mark.parametrize("path", ["", "/advance/batch-2/replay"])
async def test_nobody_without_an_administrators_token_sees_or_changes_anything(
    filled: Database, path: str
) -> None:
    client = client_of(filled, {})
    call = client.post if path else client.get

    assert (await call(f"/admin/v1/set-aside{path}")).status_code == 401
