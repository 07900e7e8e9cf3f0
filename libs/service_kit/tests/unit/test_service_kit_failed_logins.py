"""A client that shows one refused token after the other is told to wait; no other is."""

import pytest
from event_contracts import ErrorBody, NotAuthenticated, RateLimited
from quart import Blueprint, request
from service_kit.http import failed_logins
from service_kit.http.app import HttpService, create_app
from service_kit.http.failed_logins import FailedLogins
from service_kit.http.permissions import open_to_all
from service_kit.tests.builders import new_metrics
from service_kit.tests.tokens import OpenGate

LIMIT = 5


def guarded() -> Blueprint:
    blueprint = Blueprint("guarded", __name__)

    @blueprint.get("/guarded")
    @open_to_all("it checks by itself")
    async def guarded_route() -> dict[str, str]:
        if request.headers.get("Authorization") != "Bearer right":
            raise NotAuthenticated("no")
        return {}

    return blueprint


async def test_after_so_many_refused_tokens_the_next_ones_are_not_even_checked() -> None:
    app = create_app(
        HttpService(
            name="guarded",
            title="Guarded",
            version="1",
            blueprints=[guarded()],
            checks={},
            metrics=new_metrics(),
            gate=OpenGate(),
            max_failed_logins=LIMIT,
        )
    )
    client = app.test_client()
    before = (await client.get("/guarded", headers={"Authorization": "Bearer right"})).status_code

    statuses = [
        (await client.get("/guarded", headers={"Authorization": f"Bearer {number}"})).status_code
        for number in range(LIMIT + 2)
    ]
    refused = await client.get("/guarded", headers={"Authorization": "Bearer new"})
    known = await client.get("/guarded", headers={"Authorization": "Bearer right"})
    without = await client.get("/guarded")

    assert (before, statuses) == (200, [401] * LIMIT + [429] * 2)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert ErrorBody.model_validate_json(await refused.get_data()).error.error_code == "RATE_LIMIT"
    assert (known.status_code, without.status_code) == (200, 401)


def test_failed_logins_block_their_own_address_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("service_kit.http.failed_logins.time.monotonic", lambda: now)
    logins = FailedLogins(per_minute=LIMIT)
    for _ in range(LIMIT):
        logins.refused("a")

    with pytest.raises(RateLimited):
        logins.check("a", "Bearer x")
    logins.check("b", "Bearer x")
    now += 61
    logins.check("a", "Bearer x")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_logins, "MAX_REMEMBERED", 10)
    logins = FailedLogins(per_minute=LIMIT)

    for number in range(100):
        logins.refused(str(number))
        logins.accepted(str(number))

    assert (len(logins._windows), len(logins._accepted)) == (10, 10)
