"""The service's database without the service: the same tests for the store in PostgreSQL and the one in memory."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import uuid4

from cj_assessment.adapters.postgres import PostgresStore, postgres_store
from cj_assessment.domain.batch import Batch, BatchId, Defaults, JobId, Judge, Preparation, new_batch
from cj_assessment.domain.comparison import Answer, AttemptPolicy, PlannedComparison, UnsentAttempt
from cj_assessment.domain.prompt import JudgeContext
from cj_assessment.ports import BatchProblem, Recorded, Store
from cj_assessment.tests.building import essays, request
from cj_assessment.tests.memory.store import MemoryStore
from cj_measurement import Reason
from event_contracts import LogOdds, Winner
from service_kit.storage.database import Database
from sqlalchemy import Row, text

POLICY = AttemptPolicy(
    max_attempts=2, answer_timeout=timedelta(minutes=10), resend_after=timedelta(seconds=30)
)
JUDGE = Judge(provider="mock", model="simulated")
REQUEST = "request-1"

_TIMES = (
    ("assessment_batch", "next_check_at"),
    ("comparison_attempt", "send_not_before"),
    ("comparison_attempt", "withdraw_not_before"),
    ("comparison_attempt", "deadline"),
)


class Backend(Protocol):
    """What tests do to a store behind its back."""

    async def pass_time(self, by: timedelta) -> None:
        """Let so much time pass."""
        ...

    async def make_unreadable(self, job_id: JobId) -> None:
        """Give a batch a request that cannot be parsed."""
        ...

    async def fail(self, worker: str, key: object) -> None:
        """Let an item wait because its worker has failed on it."""
        ...


@dataclass(frozen=True)
class MemoryBackend:
    """Of the store in memory."""

    store: MemoryStore

    async def pass_time(self, by: timedelta) -> None:
        self.store.clock.ahead += by

    async def make_unreadable(self, job_id: JobId) -> None:
        self.store.state.batches[job_id].is_unreadable = True

    async def fail(self, worker: str, key: object) -> None:
        self.store.state.failing[worker, str(key)] = BatchProblem(
            code="PROCESSING_ERROR", message="no", since=datetime.now(UTC), comparisons=0
        )


@dataclass(frozen=True)
class PostgresBackend:
    """Of the store in PostgreSQL."""

    database: Database

    async def pass_time(self, by: timedelta) -> None:
        async with self.database.transaction() as connection:
            for table, column in _TIMES:
                await connection.execute(
                    text(f"UPDATE {table} SET {column} = {column} - CAST(:by AS interval)"), {"by": by}
                )

    async def make_unreadable(self, job_id: JobId) -> None:
        deep = '{"a":' * 220 + "1" + "}" * 220
        async with self.database.transaction() as connection:
            await connection.execute(
                text(
                    "UPDATE assessment_batch SET request = jsonb_set(request, '{system_metadata,error_info}',"
                    " CAST(:deep AS jsonb)) WHERE id = :job_id"
                ),
                {"deep": deep, "job_id": job_id},
            )

    async def fail(self, worker: str, key: object) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                text(
                    "INSERT INTO failed_item (worker, item, attempts, error_code, error_message, not_before)"
                    " VALUES (:worker, :item, 1, 'PROCESSING_ERROR', 'no', now() + interval '1 hour')"
                ),
                {"worker": worker, "item": str(key)},
            )


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A store, and what tests do with it."""

    store: Store
    backend: Backend
    batches: list[Batch] = field(default_factory=list)

    async def accepted(
        self, *, n_essays: int = 8, max_cost_usd: Decimal | None = None, **names: Any
    ) -> Batch:
        """A batch that waits to be prepared."""
        sent = essays(n_essays)
        envelope = request({essay.essay_id: essay.text_storage_id for essay in sent}, **names)
        accepted = new_batch(
            envelope,
            job_id=JobId(uuid4()),
            now=datetime.now(UTC),
            defaults=Defaults(target_reliability=0.9, deadline=timedelta(hours=1)),
        )
        limits = replace(accepted.limits, max_cost_usd=max_cost_usd)
        batch = replace(accepted, judges=(JUDGE,), limits=limits)
        async with self.store.transaction() as transaction:
            await transaction.batches.add(batch, [replace(essay, text=None) for essay in sent])
        self.batches.append(batch)
        return batch

    async def batch(
        self,
        pairs: Sequence[tuple[int, int]],
        *,
        max_cost_usd: Decimal | None = None,
        cap_usd: Decimal = Decimal(0),
        n_essays: int = 8,
    ) -> Batch:
        """A batch that is being judged, with these ordered pairs waiting to be sent."""
        batch = await self.accepted(n_essays=n_essays, max_cost_usd=max_cost_usd)
        async with self.store.transaction() as transaction:
            await transaction.essays.put(batch.job_id, essays(n_essays))
            await transaction.batches.start_judging(batch.job_id, PREPARED)
        await self.plan(batch, pairs, cap_usd=cap_usd)
        return batch

    async def plan(
        self,
        batch: Batch,
        pairs: Sequence[tuple[int, int]],
        *,
        number: int = 1,
        cap_usd: Decimal = Decimal(0),
    ) -> None:
        async with self.store.transaction() as transaction:
            await transaction.comparisons.add_round(
                batch.job_id,
                number=number,
                pairs=[
                    PlannedComparison(slot_a=a, slot_b=b, repetition=0, chosen_by=Reason.CYCLE, assigned=0)
                    for a, b in pairs
                ],
                caps=[cap_usd],
            )

    async def start(self, limit: int = 500, *, policy: AttemptPolicy = POLICY) -> Sequence[UnsentAttempt]:
        """Attempts at what is pending in any batch."""
        jobs = [batch.job_id for batch in self.batches]
        async with self.store.transaction() as transaction:
            return await transaction.attempts.start(jobs, limit=limit, policy=policy)

    async def send(
        self, limit: int = 500, *, policy: AttemptPolicy = POLICY, request_id: str = REQUEST
    ) -> Sequence[UnsentAttempt]:
        """Attempts that the LLM Provider has acknowledged."""
        started = await self.start(limit, policy=policy)
        async with self.store.transaction() as transaction:
            await transaction.attempts.mark_sent(
                {one.attempt_id: request_id for one in started}, policy=policy
            )
        return started

    async def record(self, *answers: Answer) -> Recorded:
        async with self.store.transaction() as transaction:
            return await transaction.attempts.record(answers)

    async def states(self) -> Counter[str]:
        """Comparisons of all batches by state."""
        counted: Counter[str] = Counter()
        async with self.store.transaction() as transaction:
            for batch in self.batches:
                counted.update(one.state for one in await transaction.comparisons.asked(batch.job_id))
        return counted

    async def committed_usd(self) -> Decimal:
        """Spent, and reserved for answers that are outstanding."""
        async with self.store.transaction() as transaction:
            spent = [await transaction.comparisons.spending(batch.job_id) for batch in self.batches]
        return sum((one.cost_usd + one.reserved_usd for one in spent), Decimal(0))


@dataclass(frozen=True, kw_only=True)
class StoredInPostgres(Stored):
    """A store in PostgreSQL, whose rows tests look at."""

    database: Database
    store: PostgresStore

    async def rows(self, statement: str, **values: object) -> list[Row[Any]]:
        async with self.database.transaction() as connection:
            return list(await connection.execute(text(statement), values))

    async def execute(self, statement: str, **values: object) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(text(statement), values)


PREPARED = Preparation(
    judges=(JUDGE,),
    grade_scale=None,
    context=JudgeContext(instructions="Judge.", rubric=None, student_prompt=None),
    seed=7,
)


def answer(
    attempt: UnsentAttempt,
    *,
    winner: Winner | None = Winner.ESSAY_A,
    error_code: str | None = None,
    stops_batch: bool = False,
    cost_usd: Decimal = Decimal(0),
    request_id: str = REQUEST,
    batch_id: str | None = None,
    margin: int | None = 2,
    log_odds: LogOdds | None = None,
) -> Answer:
    """What came back for an attempt."""
    return Answer(
        attempt_id=attempt.attempt_id,
        request_id=request_id,
        batch_id=attempt.batch_id if batch_id is None else BatchId(batch_id),
        essay_a_id=attempt.essay_a_id,
        essay_b_id=attempt.essay_b_id,
        event_id=uuid4(),
        winner=None if error_code else winner,
        justification=None if error_code else "better developed",
        confidence=None if error_code else 4.0,
        margin=None if error_code else margin,
        log_odds_a=log_odds.value if log_odds else None,
        log_odds=log_odds.model_dump_json() if log_odds else None,
        error_code=error_code,
        error_message="no" if error_code else None,
        stops_batch=stops_batch,
        provider="mock",
        model="simulated",
        prompt_tokens=900,
        completion_tokens=60,
        cost_usd=cost_usd,
        price_known=True,
        response_time_ms=12,
        prompt_sha256="0" * 64,
        ended_at=datetime.now(UTC),
    )


def stored_in_memory() -> Stored:
    """A store in memory."""
    store = MemoryStore()
    return Stored(store=store, backend=MemoryBackend(store))


@asynccontextmanager
async def stored(database_url: str) -> AsyncIterator[StoredInPostgres]:
    """A store on the database; the schema must be there."""
    database = Database(database_url, application_name="test")
    try:
        yield StoredInPostgres(
            database=database,
            store=postgres_store(database, wake_relays=lambda: None),
            backend=PostgresBackend(database),
        )
    finally:
        await database.close()
