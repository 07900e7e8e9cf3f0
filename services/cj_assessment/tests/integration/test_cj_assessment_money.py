"""A cap in dollars is never exceeded, however many calls are in progress and whatever each of them costs."""

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from cj_assessment.tests.building import request
from cj_assessment.tests.fake_llm_provider import Vote, longer_text_wins
from cj_assessment.tests.serving import Assessment, over_http
from event_contracts import AssessmentState, ComparisonBatchItem, StopReason
from service_kit.tests.waiting import eventually

ESSAYS = 200
TEXTS: dict[str, str | bytes] = {f"essay-{n}": "word " * (20 + n) for n in range(ESSAYS)}
PRICES: dict[str, Any] = {"simulated_input_price": Decimal(3), "simulated_output_price": Decimal(15)}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Priced:
    """A service whose judge costs something, and the essays that it keeps."""

    service: Assessment
    storage: dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def priced(make_database: Callable[[str], str]) -> AsyncIterator[Priced]:
    async with over_http(make_database("cj_money"), **PRICES) as running:
        yield Priced(running, await running.store_all(TEXTS))


@pytest_asyncio.fixture(loop_scope="module")
async def service(priced: Priced) -> AsyncIterator[Assessment]:
    priced.service.fake_llm.tidy()
    yield priced.service
    await priced.service.cancel_all()


def charged(cap: Decimal, *, share: Decimal) -> Decimal:
    """That share of a cap, as a vendor would bill it."""
    return (cap * share).quantize(Decimal("0.000001"))


async def start(priced: Priced, cap: Decimal) -> str:
    envelope = request(priced.storage, hints={"max_cost_usd": str(cap)})
    answer = await priced.service.accept(envelope)
    assert answer.status_code == 202, answer.text
    return envelope.data.entity_id


async def test_with_two_hundred_calls_at_once_the_cap_is_kept_to_the_cent(
    priced: Priced, service: Assessment
) -> None:
    chance = random.Random(5)
    spent: list[Decimal] = []
    most_at_risk: list[Decimal] = []

    def expensive(item: ComparisonBatchItem) -> Vote:
        assert item.max_cost_usd is not None
        cost = charged(item.max_cost_usd, share=Decimal(chance.choice(["0.2", "0.6", "1"])))
        outstanding = sum((one.max_cost_usd or Decimal(0) for one in service.fake_llm.waiting()), Decimal(0))
        most_at_risk.append(sum(spent, Decimal(0)) + item.max_cost_usd + outstanding)
        spent.append(cost)
        return Vote(winner=longer_text_wins(item).winner, cost_usd=cost)

    service.fake_llm.judge, service.fake_llm.answers_immediately = expensive, False
    cap = Decimal("6.5")
    batch_id = await start(priced, cap)
    await eventually(lambda: len(service.fake_llm.waiting()) >= ESSAYS)
    service.fake_llm.answers_immediately = True
    await service.fake_llm.answer(service.fake_llm.waiting())

    status = await service.until_ended(batch_id, seconds=120)

    assert status.state is AssessmentState.COMPLETED
    assert status.stop_reason is StopReason.BUDGET_COST
    assert status.cost.cost_usd == sum(spent) <= cap
    assert status.cost.cost_usd > cap * Decimal("0.9")
    assert max(most_at_risk) <= cap


async def test_a_cap_below_the_price_of_one_comparison_fails_with_that_reason(
    priced: Priced, service: Assessment
) -> None:
    batch_id = await start(priced, Decimal("0.0001"))

    status = await service.until_ended(batch_id)

    assert (status.state, status.stop_reason) == (AssessmentState.FAILED, StopReason.BUDGET_COST)
    assert status.error is not None
    assert "does not cover one comparison" in status.error.message
    assert service.fake_llm.taken == {}


async def test_calls_that_the_cap_does_not_pay_for_are_not_made(priced: Priced, service: Assessment) -> None:
    service.fake_llm.answers_immediately = False
    cap = Decimal("0.05")
    await start(priced, cap)

    await eventually(lambda: bool(service.fake_llm.waiting()))
    at_risk = sum((item.max_cost_usd or Decimal(0) for item in service.fake_llm.waiting()), Decimal(0))

    assert 0 < len(service.fake_llm.waiting()) < ESSAYS
    assert at_risk <= cap
