"""What operators see and can do: providers as they stand, pauses, cancelled requests, models about to retire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from event_contracts import ConfigurationError, LLMConfigOverrides
from llm_provider.ports import RetiringModel
from llm_provider.providers import build_service
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import Results, memory_bus, serving, settings_for, submit
from llm_provider.tests.vendors.fake_vendors import KEY, Answer, Failure, always, fake_vendors
from service_kit.tests.tokens import (
    SHARED_SECRET,
    bearer,
    identity_service,
    published,
    rsa_key,
    signed,
    signed_with_secret,
)
from service_kit.tests.waiting import read_until
from structlog.testing import capture_logs

LLAMA = LLMConfigOverrides(provider_override="openai_compatible", model_override="llama-3")
SLOW = {"simulated_latency_ms": 60_000.0}


@asynccontextmanager
async def administered(database_url: str) -> AsyncIterator[tuple[httpx2.AsyncClient, Results]]:
    """A service whose administrators show tokens that are signed with published keys."""
    async with (
        identity_service(published(rsa_key(), key_id="rsa-1")) as identity,
        service(database_url, jwt_jwks_url=identity.url) as (client, results),
    ):
        client.headers.update(ADMIN)
        yield client, results


@asynccontextmanager
async def service(database_url: str, **changes: object) -> AsyncIterator[tuple[httpx2.AsyncClient, Results]]:
    bus, results = memory_bus()
    async with serving(settings_for(database_url, **changes), bus=bus) as client:
        yield client, results


async def provider(client: httpx2.AsyncClient, name: str) -> dict[str, Any]:
    providers = (await client.get("/api/v1/providers")).json()["providers"]
    found: dict[str, Any] = next(one for one in providers if one["provider"] == name)
    return found


async def test_providers_show_limits_breaker_and_what_they_did_today(database_url: str) -> None:
    async with service(
        database_url,
        simulated_input_price="1000",
        limits={"mock": {"requests_per_minute": 6_000, "concurrency": 50}},
    ) as (client, results):
        await submit(client, [comparison() for _ in range(7)])
        received = await results.waits_for(7)
        mock, anthropic = await provider(client, "mock"), await provider(client, "anthropic")

    assert (mock["configured"], mock["enabled"], anthropic["configured"]) == (True, True, False)
    (meter,) = mock["models"]
    assert (meter["requests_per_minute"], meter["concurrency"]) == (6_000, 50)
    assert (meter["breaker"], meter["held_until"]) == ("closed", None)
    assert (mock["today"]["calls"], mock["today"]["answered"]) == (7, 7)
    assert mock["today"]["cost_usd"] == pytest.approx(sum(float(one.cost_estimate) for one in received))
    assert anthropic["today"]["calls"] == 0


async def test_an_outage_opens_the_breaker_is_shown_to_those_who_wait_and_costs_no_request_its_calls(
    database_url: str,
) -> None:
    async with (
        fake_vendors(always(Failure(status=500))) as vendors,
        service(
            database_url,
            openai_compatible_url=vendors.url("openai_compatible"),
            openai_compatible_key=KEY,
            limits={"openai_compatible": {"concurrency": 2}},
            first_retry_delay=timedelta(seconds=0.01),
            breaker_open_for=timedelta(seconds=0.3),
            breaker_failures=2,
            max_attempts=3,
        ) as (client, results),
    ):
        answer = await submit(client, [comparison(f"essay {n}", overrides=LLAMA) for n in range(6)])
        await read_until(
            lambda: client.get("/api/v1/providers"), holds=lambda providers: '"failing"' in providers.text
        )
        during = await provider(client, "openai_compatible")
        waiting = [
            (await client.get(f"/api/v1/requests/{item.accepted.queue_id}")).json()
            for item in answer.items
            if item.accepted
        ]
        vendors.scenario = always(Answer())
        received = await results.waits_for(6)
        after = await provider(client, "openai_compatible")

    assert during["models"][0]["breaker"] in ("open", "half_open")
    assert "500" in during["message"]
    assert {status["last_error"]["error_code"] for status in waiting} == {"LLM_PROVIDER_UNAVAILABLE"}
    assert (after["models"][0]["breaker"], after["state"]) == ("closed", "ready")
    assert all(result.winner is not None for result in received)


async def test_the_log_says_how_many_calls_failed_and_why_and_shows_no_key(database_url: str) -> None:
    with capture_logs() as lines:
        async with (
            fake_vendors(always(Failure(status=401))) as vendors,
            service(
                database_url,
                openai_compatible_url=vendors.url("openai_compatible"),
                openai_compatible_key=KEY,
            ) as (client, results),
        ):
            await submit(client, [comparison(f"essay {n}", overrides=LLAMA) for n in range(6)])
            await results.waits_for(6)

    failed = [line for line in lines if line["event"] == "call.failed"]
    assert sum(line["calls"] for line in failed) == 6
    assert {(line["provider"], line["model"], line["error_code"]) for line in failed} == {
        ("openai_compatible", "llama-3", "INVALID_API_KEY")
    }
    assert "401" in failed[0]["reason"]
    assert KEY not in str(lines)


ADMIN = bearer(signed(rsa_key(), key_id="rsa-1"))
TEACHER = bearer(signed(rsa_key(), key_id="rsa-1", roles=["teacher"]))
STRANGER = bearer(signed(rsa_key(2), key_id="rsa-1"))
PAUSE, RESUME = "/admin/v1/providers/mock/pause", "/admin/v1/providers/mock/resume"


async def test_a_paused_provider_answers_nothing_until_it_is_resumed(database_url: str) -> None:
    async with administered(database_url) as (client, results):
        paused = await client.post(PAUSE, json={"reason": "too dear today"}, headers=ADMIN)
        await submit(client, [comparison()])
        await asyncio.sleep(0.6)
        while_paused, shown = list(results.received), await provider(client, "mock")
        resumed = await client.post(RESUME, headers=ADMIN)
        await results.waits_for(1)

    assert while_paused == []
    assert paused.json()["pause"] == shown["pause"]
    assert shown["enabled"] is False
    assert (shown["pause"]["paused_by"], shown["pause"]["reason"]) == ("admin@example.org", "too dear today")
    assert (resumed.json()["enabled"], resumed.json()["pause"]) == (True, None)


async def test_a_pause_holds_on_all_replicas(database_url: str) -> None:
    async with administered(database_url) as (client, first), service(database_url) as (_, second):
        await client.post(PAUSE, json={"reason": "too dear today"}, headers=ADMIN)
        await submit(client, [comparison() for _ in range(5)])
        await asyncio.sleep(0.6)

    assert first.received == second.received == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Authorization": ""}, 401), ({"Authorization": "Bearer x"}, 401), (STRANGER, 401), (TEACHER, 403)],
    ids=["nobody", "garbage", "stranger", "teacher"],
)
async def test_only_an_administrator_moves_the_switch(
    database_url: str, headers: dict[str, str], status: int
) -> None:
    async with administered(database_url) as (client, _):
        answers = [
            await client.post(PAUSE, json={"reason": "x"}, headers=headers),
            await client.post(RESUME, headers=headers),
        ]
        mock = await provider(client, "mock")

    assert [answer.status_code for answer in answers] == [status] * 2
    assert mock["enabled"] is True


async def test_only_providers_that_there_are_can_be_paused_and_only_with_a_reason(database_url: str) -> None:
    async with administered(database_url) as (client, _):
        unknown = await client.post("/admin/v1/providers/nobody/pause", json={"reason": "x"}, headers=ADMIN)
        unexplained = await client.post(PAUSE, json={"reason": ""}, headers=ADMIN)

    assert unknown.status_code == 404
    assert "use one of" in unknown.json()["error"]["message"]
    assert unexplained.status_code == 422


async def test_a_shared_secret_opens_the_switch_as_well(database_url: str) -> None:
    async with service(database_url, jwt_secret=SHARED_SECRET, jwt_issuer="our-school") as (client, _):
        client.headers.update(bearer(signed_with_secret(iss="our-school")))
        paused = await client.post(PAUSE, json={"reason": "x"})
        elsewhere = await client.post(RESUME, headers=bearer(signed_with_secret()))
        mock = await provider(client, "mock")

    assert (paused.status_code, elsewhere.status_code) == (200, 401)
    assert mock["enabled"] is False


async def test_an_identity_service_that_is_away_leaves_the_switch_as_it_is(database_url: str) -> None:
    async with service(database_url, jwt_jwks_url="http://127.0.0.1:9/jwks") as (client, _):
        answer = await client.post(PAUSE, json={"reason": "x"}, headers=ADMIN)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")


async def test_a_service_that_cannot_check_tokens_does_not_start(database_url: str) -> None:
    settings = settings_for(database_url).model_copy(update={"jwt_secret": None})

    with pytest.raises(ConfigurationError, match="LLM_PROVIDER_JWT_SECRET"):
        await build_service(settings, bus=memory_bus()[0])


async def test_a_cancelled_request_ends_with_one_error_and_is_not_judged(database_url: str) -> None:
    first = comparison("first")
    async with service(database_url, **SLOW, limits={"mock": {"concurrency": 1}}) as (client, results):
        answer = await submit(client, [first, comparison("second")])
        waiting = answer.items[1].accepted
        assert waiting is not None
        cancelled = [await client.post(f"/api/v1/requests/{waiting.queue_id}/cancel") for _ in range(2)]
        await results.waits_for(1)
        await asyncio.sleep(0.3)

    assert [one.json()["status"] for one in cancelled] == ["cancelled"] * 2
    (result,) = results.received
    assert result.error_detail is not None
    assert result.error_detail.details == {"reason": "cancelled"}
    assert result.cost_estimate == 0


async def test_a_call_under_way_when_its_request_is_cancelled_is_billed_to_its_caller_and_not_used(
    database_url: str,
) -> None:
    async with service(database_url, simulated_latency_ms=600.0, simulated_input_price="1000") as (
        client,
        results,
    ):
        answer = await submit(client, [comparison()])
        accepted = answer.items[0].accepted
        assert accepted is not None
        path = f"/api/v1/requests/{accepted.queue_id}"
        await read_until(
            lambda: client.get(path), holds=lambda status: status.json()["status"] == "processing"
        )
        cancelled = (await client.post(f"{path}/cancel")).json()
        (result,) = await results.waits_for(1)
        ended = (await client.get(path)).json()
        costs = (await client.get("/api/v1/costs")).json()["total"]

    assert (cancelled["status"], cancelled["cancel_requested_at"] is None) == ("processing", False)
    assert ended["status"] == "cancelled"
    assert result.error_detail is not None
    assert result.error_detail.details == {"reason": "cancelled"}
    assert 0 < float(result.cost_estimate) == pytest.approx(costs["cost_usd"]), "both have the call's cost"


async def test_a_request_that_has_ended_stays_as_it_is(database_url: str) -> None:
    async with service(database_url) as (client, results):
        answer = await submit(client, [comparison()])
        await results.waits_for(1)
        accepted = answer.items[0].accepted
        assert accepted is not None
        status = (await client.post(f"/api/v1/requests/{accepted.queue_id}/cancel")).json()
        unknown = await client.post(f"/api/v1/requests/{uuid4()}/cancel")

    assert status["status"] == "completed"
    assert unknown.status_code == 404


async def test_models_are_listed_without_those_that_are_deprecated_unless_asked_for(
    database_url: str,
) -> None:
    async with service(database_url) as (client, _):
        usual = (await client.get("/api/v1/models?provider=anthropic")).json()["models"]
        everything = (await client.get("/api/v1/models?provider=anthropic&include_deprecated=true")).json()[
            "models"
        ]
        unknown = await client.get("/api/v1/models?provider=nobody")

    assert {model["provider"] for model in usual} == {"anthropic"}
    assert not any(model["deprecated"] for model in usual)
    assert len(everything) > len(usual)
    assert unknown.status_code == 422


async def test_a_model_about_to_retire_is_a_metric(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = [RetiringModel(provider="mock", model="simulated-judge-1", days_left=12)]
    monkeypatch.setattr("llm_provider.adapters.catalogue.ManifestCatalogue.retiring", lambda *_, **__: soon)
    async with service(database_url) as (client, _):
        expected = 'judge_model_retires_in_days{model="simulated-judge-1",provider="mock"} 12.0'

        await read_until(lambda: client.get("/metrics"), holds=lambda metrics: expected in metrics.text)


async def test_the_state_of_the_queue_is_a_metric(database_url: str) -> None:
    async with service(database_url, **SLOW) as (client, _):
        await submit(client, [comparison() for _ in range(3)])
    async with service(database_url, **SLOW) as (client, _):
        expected = (
            'judge_queue_requests{provider="',
            'judge_breaker_open{model="simulated-judge-1",provider="mock"} 0.0',
        )

        await read_until(
            lambda: client.get("/metrics"),
            holds=lambda metrics: all(name in metrics.text for name in expected),
        )


async def test_the_service_is_ready_and_describes_itself(database_url: str) -> None:
    async with service(database_url) as (client, _):
        ready, described = await client.get("/readyz"), await client.get("/openapi.json")

    assert ready.status_code == 200
    assert {"/api/v1/comparison", "/api/v1/costs", "/api/v1/requests/{queue_id}/cancel"} <= set(
        described.json()["paths"]
    )
