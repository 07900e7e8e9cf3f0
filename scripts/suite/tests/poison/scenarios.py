"""What may happen to a batch on its way, so that every worker has something to do for it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from event_contracts import EventEnvelope
from suite.tests.poison.judges import FAILS_ONCE, SILENT, SLOW
from suite.tests.poison.running_suite import RunningSuite

PATIENCE_SECONDS: Final = 60.0
"""How long a scenario waits for what poison may prevent for good; six times as long as a worker rests."""

Drive = Callable[[RunningSuite, EventEnvelope[Any]], Coroutine[Any, Any, None]]


@dataclass(frozen=True, eq=False)
class Scenario:
    """A batch of essays that hold ``word``, and what is done with it."""

    name: str
    drive: Drive
    word: str = ""
    hints: dict[str, Any] = field(default_factory=dict)


async def _judged(suite: RunningSuite, envelope: EventEnvelope[Any]) -> None:
    await suite.ask(envelope)


async def _published(suite: RunningSuite, envelope: EventEnvelope[Any]) -> None:
    await suite.publish(envelope)


async def _called_back(suite: RunningSuite, envelope: EventEnvelope[Any]) -> None:
    await suite.ask(_calling_back(envelope, suite.receiver))


async def _not_called_back(suite: RunningSuite, envelope: EventEnvelope[Any]) -> None:
    await suite.ask(_calling_back(envelope, f"{suite.assessment.base_url}/nowhere"))


def _calling_back(envelope: EventEnvelope[Any], url: str) -> EventEnvelope[Any]:
    return envelope.model_copy(update={"metadata": {**(envelope.metadata or {}), "callback_url": url}})


async def _cancelled(suite: RunningSuite, envelope: EventEnvelope[Any]) -> None:
    batch_id = await suite.ask(envelope)
    if await _calling(suite, batch_id):
        await suite.cancel(batch_id)


async def _lost(suite: RunningSuite, envelope: EventEnvelope[Any]) -> None:
    batch_id = await suite.ask(envelope)
    if await _calling(suite, batch_id):
        await _requests(suite, "due_at = now(), leased_by = gen_random_uuid(), paid_calls = 0", batch_id)


async def _expired(suite: RunningSuite, envelope: EventEnvelope[Any]) -> None:
    batch_id = await suite.ask(envelope)
    if await _calling(suite, batch_id):
        await _requests(
            suite, "expires_at = now(), state = 'delayed', due_at = now() + interval '1 hour'", batch_id
        )


async def _given_up(suite: RunningSuite, envelope: EventEnvelope[Any]) -> None:
    batch_id = await suite.ask(envelope)
    if await _calling(suite, batch_id):
        async with suite.looking:
            await suite.databases["llm_provider"].connection.execute(
                "INSERT INTO meter (provider, key, model, output_mean, max_concurrency, concurrency, open_until,"
                " failing_since) SELECT provider, key, 'gone', 1, 1, 1, now() + interval '1 hour',"
                " now() - interval '1 hour' FROM meter WHERE provider = 'mock' ON CONFLICT DO NOTHING"
            )
        await _requests(
            suite,
            "model = 'gone', state = 'waiting', turn = 0, requested_at = now() - interval '1 hour',"
            " not_before = now() - interval '1 hour'",
            batch_id,
        )
        await _ended(suite, batch_id)


async def _ended(suite: RunningSuite, batch_id: str) -> None:
    """Wait until no request of the batch waits, but for those set aside: their worker may rest for some seconds."""
    waiting = (
        "SELECT count(*) AS requests FROM judge_request WHERE batch_id = $1 AND state = 'waiting' AND NOT EXISTS"
        " (SELECT 1 FROM failed_item WHERE item = judge_request.id::text AND set_aside_at IS NOT NULL)"
    )
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        async with suite.looking:
            [row] = await suite.databases["llm_provider"].rows(waiting, batch_id)
        if row["requests"] == 0:
            return
        await asyncio.sleep(0.05)


async def _calling(suite: RunningSuite, batch_id: str) -> bool:
    """Wait until requests of the batch are called for; False where it has come to nothing before."""
    query = "SELECT count(*) AS calls FROM judge_request WHERE batch_id = $1 AND state = 'calling'"
    ended = "SELECT 1 FROM assessment_batch WHERE batch_id = $1 AND ended_at IS NOT NULL"
    failed = (
        "SELECT 1 FROM failed_item JOIN poison_id ON item = id WHERE batch = $1 AND set_aside_at IS NOT NULL"
    )
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        async with suite.looking:
            [row] = await suite.databases["llm_provider"].rows(query, batch_id)
            if row["calls"] >= 4:
                return True
            for look in (ended, failed):
                if await suite.databases["cj_assessment"].rows(look, batch_id):
                    return False
            if await suite.databases["llm_provider"].rows(failed, batch_id):
                return False
        await asyncio.sleep(0.05)
    return False


async def _requests(suite: RunningSuite, change: str, batch_id: str) -> None:
    async with suite.looking:
        await suite.databases["llm_provider"].connection.execute(
            f"UPDATE judge_request SET {change} WHERE batch_id = $1 AND state = 'calling'", batch_id
        )


SCENARIOS: Final = (
    Scenario("judged", _judged),
    Scenario("published", _published),
    Scenario("capped", _judged, hints={"max_cost_usd": "5"}),
    Scenario("called back", _called_back),
    Scenario("not called back", _not_called_back),
    Scenario("fails once", _judged, word=FAILS_ONCE),
    Scenario("cancelled", _cancelled, word=SLOW),
    Scenario("lost", _lost, word=SLOW),
    Scenario("expired", _expired, word=SLOW),
    Scenario("given up", _given_up, word=SILENT),
    Scenario("overdue", _judged, word=SLOW),
)


_LIKELY: Final = {
    "expire": "overdue",
    "withdraw": "cancelled",
    "report_consumption": "cancelled",
    "end-requests": "expired",
    "give-up-outages": "given up",
    "return-requests": "fails once",
    "outbox-http": "not called back",
}


def scenarios_for(worker: str) -> Sequence[Scenario]:
    """All scenarios, first the one that gives the worker something to do."""
    return sorted(SCENARIOS, key=lambda scenario: scenario.name != _LIKELY.get(worker))
