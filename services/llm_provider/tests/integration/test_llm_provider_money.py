"""Every call is billed once, at its real price, and the books show for whom."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
import pytest
from event_contracts import (
    ComparisonBatchItem,
    LLMComparisonResultV1,
    LLMConfigOverrides,
    LLMCostAlertV1,
    LLMCostTrackingV1,
    LLMProviderFailureV1,
    LLMRequestCompletedV1,
    LLMRequestStartedV1,
    WireModel,
    event_for,
    parse_envelope,
    topic_of,
)
from llm_provider.domain.costs.usage import Usage
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import TIMEOUT_SECONDS, Results, serving, settings_for, submit
from llm_provider.tests.storing import stored
from llm_provider.tests.vendors.fake_vendors import KEY, Answer, Failure, Scenario, fake_vendors, in_turn
from model_manifest import Price
from service_kit.messaging.event_bus import MemoryEventBus, Record

CLAUDE = LLMConfigOverrides(provider_override="anthropic", model_override="claude-haiku-5-5")
UNPRICED = LLMConfigOverrides(provider_override="openai_compatible", model_override="nobody-knows")
PRICED = {"simulated_input_price": "1000", "simulated_output_price": "5000"}
EVENTS: Sequence[type[WireModel]] = (
    LLMRequestStartedV1,
    LLMRequestCompletedV1,
    LLMCostTrackingV1,
    LLMProviderFailureV1,
    LLMCostAlertV1,
)


class Announced:
    """Listens for what analytics and billing are told, in its order."""

    def __init__(self, bus: MemoryEventBus) -> None:
        self.events: list[WireModel] = []
        self.alert_ids: set[UUID] = set()
        self._arrived = asyncio.Event()
        bus.subscribe([topic_of(event) for event in EVENTS], group="analytics", handler=self._handle)

    async def _handle(self, records: Sequence[Record]) -> None:
        envelopes = [parse_envelope(record.value or b"", event_for(record.topic)) for record in records]
        self.events += [envelope.data for envelope in envelopes]
        self.alert_ids |= {one.event_id for one in envelopes if isinstance(one.data, LLMCostAlertV1)}
        self._arrived.set()

    def of(self, event: type[WireModel]) -> list[Any]:
        """The events of one type: a completed one is not a started one, although it has the same fields."""
        return [one for one in self.events if type(one) is event]

    async def waits_for(self, event: type[WireModel], count: int) -> list[Any]:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(self.of(event)) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.of(event)


@asynccontextmanager
async def service(
    database_url: str, **changes: object
) -> AsyncIterator[tuple[httpx2.AsyncClient, Results, Announced]]:
    bus = MemoryEventBus()
    results, announced = Results(bus), Announced(bus)
    async with serving(settings_for(database_url, **changes), bus=bus) as client:
        yield client, results, announced


async def judged_by_claude(
    database_url: str, scenario: Scenario, items: Sequence[ComparisonBatchItem]
) -> tuple[list[LLMComparisonResultV1], Announced, dict[str, Any]]:
    async with (
        fake_vendors(scenario) as vendors,
        service(
            database_url,
            anthropic_api_key=KEY,
            anthropic_url=vendors.url("anthropic"),
            first_retry_delay="PT0.01S",
        ) as (client, results, announced),
    ):
        await submit(client, items)
        received = await results.waits_for(len(items))
        await announced.waits_for(LLMRequestCompletedV1, len(vendors.received))
        return received, announced, (await client.get("/api/v1/costs")).json()


async def test_a_call_costs_what_the_price_list_says_of_its_tokens(database_url: str) -> None:
    usage = Usage(input=12_000, output=300, cache_read=8_000, cache_write=1_000)

    (result,), announced, costs = await judged_by_claude(
        database_url, in_turn(Answer(usage=usage)), [comparison(overrides=CLAUDE)]
    )

    # Claude Haiku 5.5 in US dollars a million: .10 read, .125 written to the cache, .01 read from it, .50 answered.
    expected = sum(
        tokens * Decimal(usd) / 1_000_000
        for tokens, usd in ((3_000, "0.10"), (1_000, "0.125"), (8_000, "0.01"), (300, "0.50"))
    )
    (tracked,) = announced.of(LLMCostTrackingV1)
    assert result.cost_estimate == tracked.cost_estimate_usd == expected
    assert result.request_metadata["price_known"] is True
    assert Decimal(str(costs["total"]["cost_usd"])) == expected
    assert result.token_usage.prompt_tokens == 12_000


async def test_every_try_is_billed_and_recorded(database_url: str) -> None:
    usage = Usage(input=1_000, output=100)
    scenario = in_turn(
        Answer(text="I would call it a tie.", usage=usage),
        Failure(status=500),
        Answer(text='{"winner": "Essay A"}', usage=usage),
        then=lambda _: Answer(usage=usage),
    )

    (result,), announced, costs = await judged_by_claude(
        database_url, scenario, [comparison(overrides=CLAUDE)]
    )

    one_call = (1_000 * Decimal("0.10") + 100 * Decimal("0.50")) / 1_000_000
    assert result.winner is not None
    assert result.cost_estimate == 3 * one_call
    assert (costs["total"]["calls"], costs["total"]["answered"]) == (4, 1)
    assert [event.success for event in announced.of(LLMRequestCompletedV1)] == [False, False, False, True]
    assert len(announced.of(LLMRequestStartedV1)) == 4
    assert len(announced.of(LLMCostTrackingV1)) == 3, "a call that brought nothing costs nothing"
    (failure,) = announced.of(LLMProviderFailureV1)
    assert (failure.failure_type, failure.circuit_breaker_opened) == ("service_unavailable", False)


async def test_an_unknown_price_is_said_to_be_unknown_and_never_billed_as_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "llm_provider.adapters.catalogue.price",
        lambda *_, **__: Price(amount=None, price_list="list", warning="no price of nobody-knows"),
    )
    async with (
        fake_vendors() as vendors,
        service(
            database_url,
            openai_compatible_url=vendors.url("openai_compatible"),
            openai_compatible_key=KEY,
            openai_compatible_free=False,
        ) as (
            client,
            results,
            announced,
        ),
    ):
        await submit(client, [comparison(overrides=UNPRICED)])
        (result,) = await results.waits_for(1)
        await announced.waits_for(LLMRequestCompletedV1, 1)
        costs = (await client.get("/api/v1/costs?by=model")).json()
        metrics = (await client.get("/metrics")).text

    assert result.cost_estimate == 0
    assert result.request_metadata["price_known"] is False
    assert announced.of(LLMCostTrackingV1) == []
    assert [event.cost_estimate for event in announced.of(LLMRequestCompletedV1)] == [None]
    assert costs["rows"][0]["unpriced_calls"] == 1
    assert "judge_calls_without_price_total{" in metrics


async def test_totals_can_be_seen_by_caller_and_by_batch(database_url: str) -> None:
    items = [
        *[comparison("essay", batch="mine", user_id="me") for _ in range(3)],
        *[comparison("essay", batch="yours", user_id="you") for _ in range(2)],
    ]
    async with service(database_url, **PRICED) as (client, results, _):
        await submit(client, items)
        received = await results.waits_for(5)
        by_user = (await client.get("/api/v1/costs?by=user_id")).json()
        of_batch = (await client.get("/api/v1/costs?by=day&batch_id=yours")).json()
        nobodys = (await client.get("/api/v1/costs?user_id=nobody")).json()

    spent = {
        name: sum(
            float(one.cost_estimate) for one in received if one.request_metadata["bos_batch_id"] == name
        )
        for name in ("mine", "yours")
    }
    assert {row["group"]: row["calls"] for row in by_user["rows"]} == {"me": 3, "you": 2}
    assert by_user["total"]["cost_usd"] == pytest.approx(sum(spent.values()))
    assert of_batch["rows"] == [{**of_batch["total"], "group": datetime.now(UTC).date().isoformat()}], (
        "one day, one row"
    )
    assert of_batch["total"]["cost_usd"] == pytest.approx(spent["yours"])
    assert (nobodys["rows"], nobodys["total"]["calls"]) == ([], 0)


async def test_totals_are_the_sums_of_the_calls(database_url: str) -> None:
    async with service(
        database_url,
        **PRICED,
        simulated_malformed_rate=0.3,
        simulated_failure_rate=0.2,
        first_retry_delay="PT0.01S",
    ) as (client, results, _):
        await submit(client, [comparison(f"essay {number}") for number in range(40)])
        await results.waits_for(40)
        costs = (await client.get("/api/v1/costs")).json()["total"]
    async with stored(database_url) as ledger:
        (sums,) = await ledger.rows(
            "SELECT count(*) AS calls, sum(input_tokens) AS tokens, sum(cost_usd) AS usd,"
            " count(DISTINCT (request_id, attempt)) AS pairs FROM provider_call"
        )

    assert costs["calls"] == sums.calls == sums.pairs
    assert costs["input_tokens"] == sums.tokens
    assert Decimal(str(costs["cost_usd"])) == sums.usd


async def test_an_unknown_grouping_is_refused(database_url: str) -> None:
    async with service(database_url) as (client, _, _):
        answer = await client.get("/api/v1/costs?by=shoe_size")

    assert answer.status_code == 422
    assert "error" in answer.json()


async def test_an_alert_is_raised_once_in_its_period(database_url: str) -> None:
    limits = {"daily_cost_limit_usd": "0.05", "monthly_cost_limit_usd": "0.10"}
    async with service(database_url, **PRICED, **limits) as (client, results, announced):
        await submit(client, [comparison() for _ in range(4)])
        await results.waits_for(4)
        await announced.waits_for(LLMCostAlertV1, 2)
    async with service(database_url, **PRICED, **limits) as (client, results, later):
        await submit(client, [comparison()])
        await results.waits_for(1)
        await asyncio.sleep(0.5)

    now = datetime.now(UTC)
    assert {(alert.alert_type, alert.period) for alert in announced.of(LLMCostAlertV1)} == {
        ("daily_limit", f"{now:%Y-%m-%d}"),
        ("monthly_limit", f"{now:%Y-%m}"),
    }
    assert all(alert.current_cost > alert.threshold for alert in announced.of(LLMCostAlertV1))
    assert len(announced.alert_ids | later.alert_ids) == 2, "what is delivered again is the same event"


async def test_a_request_whose_first_call_might_cost_too_much_is_refused(database_url: str) -> None:
    item = comparison(overrides=CLAUDE).model_copy(update={"max_cost_usd": Decimal("0.000001")})
    async with service(database_url, anthropic_api_key=KEY) as (client, _, _):
        answer = await submit(client, [item])

    error = answer.items[0].error
    assert error is not None
    assert error.error_code == "LLM_COST_LIMIT_EXCEEDED"


async def test_a_request_ends_before_another_call_might_cost_too_much(database_url: str) -> None:
    usage = Usage(input=4_000, output=1_000)
    scenario = in_turn(Answer(text="no vote", usage=usage), Answer(text="no vote", usage=usage))
    brief = CLAUDE.model_copy(update={"max_tokens_override": 1_000})
    item = comparison(overrides=brief).model_copy(update={"max_cost_usd": Decimal("0.0012")})

    (result,), _, costs = await judged_by_claude(database_url, scenario, [item])

    assert result.error_detail is not None
    assert result.error_detail.error_code == "LLM_COST_LIMIT_EXCEEDED"
    assert "LLM_INVALID_RESPONSE" in result.error_detail.message
    assert costs["total"]["calls"] == 1
