"""The service's database without the service: for tests that look at one statement at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from llm_provider.adapters.postgres.meters import MeterRules
from llm_provider.adapters.postgres.store import LlmProviderStore, open_store
from llm_provider.domain.calls.settlement import Settlement
from llm_provider.domain.limits import BreakerChange, BreakerPolicy, Limits, Pacing
from llm_provider.domain.requests.request import JudgeRequest, LeasedRequest
from service_kit.storage.database import Database
from sqlalchemy import Row, text

MODEL = ("mock", "simulated-judge-1")
UNHURRIED = Pacing(share=1.0)
FIVE_FAILURES = BreakerPolicy()
NO_LIMITS = Limits(concurrency=100_000)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A store, and a worker that uses it."""

    database: Database
    store: LlmProviderStore
    worker: UUID = field(default_factory=uuid4)

    async def add(self, *requests: JudgeRequest) -> None:
        async with self.store.transaction() as transaction:
            await transaction.queue.add(requests)

    async def limit(self, limits: Limits, *, model: tuple[str, str] = MODEL) -> None:
        async with self.store.transaction() as transaction:
            await transaction.meters.set_limits({model: limits})

    async def take(self, limit: int = 1_000, *, worker: UUID | None = None) -> list[LeasedRequest]:
        """Take, as one replica would; in the order of the queue."""
        async with self.store.transaction() as transaction:
            rows = await transaction.queue.take(provider="mock", worker=worker or self.worker, limit=limit)
        return list(rows.requests)

    async def return_due(self) -> int:
        async with self.store.transaction() as transaction:
            due = await transaction.queue.due_to_return(limit=500, max_attempts=3)
            await transaction.queue.return_to_queue(due.keys, max_attempts=3)
        return len(due.keys)

    async def settle(self, *settlements: Settlement) -> BreakerChange:
        """Settle calls of one model."""
        async with self.store.transaction() as transaction:
            (news,) = await transaction.meters.settle(provider="mock", settlements=settlements)
        return news

    async def rows(self, statement: str, **values: object) -> list[Row[Any]]:
        async with self.database.transaction() as connection:
            return list(await connection.execute(text(statement), values))

    async def execute(self, statement: str, **values: object) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(text(statement), values)


@asynccontextmanager
async def stored(
    database_url: str,
    *,
    pacing: Pacing = UNHURRIED,
    breaker: BreakerPolicy = FIVE_FAILURES,
    lease: timedelta = timedelta(seconds=30),
    ceilings: dict[str, Limits] | None = None,
    limits: Limits = NO_LIMITS,
) -> AsyncIterator[Stored]:
    """A store on the database, with one model whose limits are given."""
    database = Database(database_url, application_name="test")
    rules = MeterRules(
        keys={"mock": "account"}, ceilings=ceilings or {}, pacing=pacing, breaker=breaker, lease=lease
    )
    store = open_store(database, rules=rules, wake_relays=lambda: None)
    opened = Stored(database=database, store=store)
    try:
        await opened.limit(limits)
        yield opened
    finally:
        await database.close()
