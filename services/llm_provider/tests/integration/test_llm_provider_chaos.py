"""A vendor in a bad state: everything ends, its word on when to come back is kept, and hardly more is spent."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx2
import pytest
from dishka import Provider, Scope, decorate
from event_contracts import LLMComparisonResultV1, LLMConfigOverrides
from llm_provider.domain.calls.errors import RateLimitReached
from llm_provider.domain.costs.usage import Usage
from llm_provider.ports import Judge, JudgeCall, JudgeReply
from llm_provider.providers import Judges
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import Results, memory_bus, serving, settings_for, submit
from llm_provider.tests.vendors.fake_vendors import (
    KEY,
    Answer,
    Failure,
    FakeVendors,
    Scenario,
    always,
    by_chance,
    fake_vendors,
)

REQUESTS = 120
RETRY_AFTER = 0.2
OVERRIDES = LLMConfigOverrides(provider_override="anthropic", model_override="claude-haiku-5-5")
USAGE = Usage(input=1_500, output=60)
GOOD = Answer(usage=USAGE, delay=0.02)
CHAOS = by_chance(
    (0.30, Failure(status=429, retry_after=RETRY_AFTER)),
    (0.05, Failure(status=500)),
    (0.02, Answer(delay=30.0)),
    (0.01, Answer(text='{"winner": "both"}', usage=USAGE)),
    seed=11,
    otherwise=always(GOOD),
)


@dataclass
class Log:
    """When calls began, and until when the vendor wanted to be left alone; by replica, in monotonic seconds."""

    began: list[tuple[int, float]] = field(default_factory=list)
    holds: list[tuple[int, float, float]] = field(default_factory=list)

    def violations(self, *, of_others: bool, grace: float) -> int:
        """Calls that began although a replica (the same one, or another) had been told to wait."""
        return sum(
            told + grace < at < until
            for replica, at in self.began
            for teller, told, until in self.holds
            if (teller != replica) is of_others
        )


class LoggingJudge:
    """A judge whose calls are noted as the worker sees them."""

    def __init__(self, judge: Judge, log: Log, replica: int) -> None:
        self._judge = judge
        self._log = log
        self._replica = replica

    async def judge(self, call: JudgeCall) -> JudgeReply:
        self._log.began.append((self._replica, time.monotonic()))
        try:
            return await self._judge.judge(call)
        except RateLimitReached as error:
            now, pause = time.monotonic(), error.retry_after or timedelta(0)
            self._log.holds.append((self._replica, now, now + pause.total_seconds()))
            raise


class Logging(Provider):
    """Puts the log around a replica's judges."""

    scope = Scope.APP

    def __init__(self, log: Log, replica: int) -> None:
        super().__init__()
        self._log = log
        self._replica = replica

    @decorate
    def judges(self, judges: Judges) -> Judges:
        live: dict[str, Judge] = {
            name: LoggingJudge(judge, self._log, self._replica) for name, judge in judges.live.items()
        }
        return replace(judges, live=live)


@asynccontextmanager
async def running(
    database_url: str, vendors: FakeVendors, log: Log
) -> AsyncIterator[tuple[httpx2.AsyncClient, Results]]:
    """Two replicas on one database, with one bus between them."""
    bus, results = memory_bus()
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                serving(
                    settings_for(
                        database_url,
                        anthropic_api_key=KEY,
                        anthropic_url=vendors.url("anthropic"),
                        limits={"anthropic": {"requests_per_minute": 1e6, "concurrency": 24}},
                        call_timeout=timedelta(seconds=0.5),
                        first_retry_delay=timedelta(seconds=0.05),
                        breaker_failures=10,
                        breaker_open_for=timedelta(seconds=0.2),
                        publish_call_events=False,
                    ),
                    bus=bus,
                    overrides=[Logging(log, replica)],
                )
            )
            for replica in range(2)
        ]
        yield clients[0], results


async def judged(database_url: str, scenario: Scenario, log: Log) -> list[LLMComparisonResultV1]:
    items = [comparison(f"essay {number}", overrides=OVERRIDES) for number in range(REQUESTS)]
    async with fake_vendors(scenario) as vendors, running(database_url, vendors, log) as (client, results):
        accepted = await submit(client, items)
        requests = {str(item.accepted.queue_id) for item in accepted.items if item.accepted is not None}
        return await results.of_requests(requests, seconds=180)


def spent(results: list[LLMComparisonResultV1]) -> float:
    return sum(float(result.cost_estimate) for result in results)


@pytest.mark.slow
async def test_a_vendor_in_chaos_is_waited_for_and_paid_for_its_answers_only(database_url: str) -> None:
    quiet = await judged(database_url, always(GOOD), Log())
    log = Log()

    stormy = await judged(database_url, CHAOS, log)

    ratio = spent(stormy) / spent(quiet)
    print(
        f"{len(log.began)} calls for {REQUESTS} requests, {len(log.holds)} told to wait; {ratio:.4f} times the cost"
    )
    assert len(stormy) == len(quiet) == REQUESTS
    assert all(result.winner is not None for result in stormy)
    assert len(log.holds) > REQUESTS / 4, "it was a storm"
    assert log.violations(of_others=False, grace=0.0) == 0
    assert log.violations(of_others=True, grace=0.1) == 0
    assert ratio <= 1.02
