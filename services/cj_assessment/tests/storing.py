"""The service's database without the service: for tests that look at one statement at a time."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from cj_assessment.adapters.postgres import PostgresStore
from cj_assessment.domain.batch import Batch, BatchId, Defaults, Essay, JobId, Judge, Preparation, new_batch
from cj_assessment.domain.comparison import Answer, AttemptId, AttemptPolicy, PlannedComparison, UnsentAttempt
from cj_assessment.domain.prompt import JudgeContext
from cj_assessment.ports import Recorded
from cj_assessment.tests.building import essays, request
from event_contracts import Winner
from service_kit.storage.database import Database
from sqlalchemy import Row, text

POLICY = AttemptPolicy(
    max_attempts=3,
    answer_within=timedelta(minutes=10),
    first_pause=timedelta(seconds=2),
    resend_after=timedelta(seconds=30),
)
JUDGE = Judge(provider="mock", model="simulated")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A store, and what tests do with it."""

    database: Database
    store: PostgresStore

    async def batch(
        self,
        pairs: Sequence[tuple[int, int]],
        *,
        max_cost_usd: Decimal | None = None,
        cap_usd: Decimal = Decimal(0),
        n_essays: int = 8,
    ) -> Batch:
        """A batch that is being judged, with these ordered pairs waiting to be sent."""
        envelope = request({essay.essay_id: essay.text_storage_id for essay in essays(n_essays)})
        accepted = replace(
            new_batch(
                envelope,
                job_id=JobId(uuid4()),
                now=datetime.now(UTC),
                defaults=Defaults(target_reliability=0.9, deadline=timedelta(hours=1)),
            ),
            judges=(JUDGE,),
        )
        limits = replace(accepted.limits, max_cost_usd=max_cost_usd)
        batch = replace(accepted, limits=limits)
        async with self.store.transaction() as transaction:
            await transaction.add_batch(batch, essays(n_essays))
            await transaction.start_judging(batch.job_id, _prepared(essays(n_essays)))
            await transaction.add_round(
                batch.job_id,
                number=1,
                pairs=[
                    PlannedComparison(slot_a=a, slot_b=b, repetition=0, chosen_by="cycle", assigned=0)
                    for a, b in pairs
                ],
                caps=[cap_usd],
            )
        return batch

    async def start(self, limit: int = 500, *, policy: AttemptPolicy = POLICY) -> Sequence[UnsentAttempt]:
        async with self.store.transaction() as transaction:
            return await transaction.start_attempts(limit=limit, policy=policy)

    async def record(self, *answers: Answer) -> Recorded:
        async with self.store.transaction() as transaction:
            return await transaction.record_answers(answers, policy=POLICY)

    async def rows(self, statement: str, **values: object) -> list[Row[Any]]:
        async with self.database.transaction() as connection:
            return list(await connection.execute(text(statement), values))

    async def execute(self, statement: str, **values: object) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(text(statement), values)


def _prepared(usable: tuple[Essay, ...]) -> Preparation:
    return Preparation(
        essays=usable,
        judges=(JUDGE,),
        grade_scale=None,
        context=JudgeContext(instructions="Judge.", rubric=None, student_prompt=None),
        seed=7,
    )


def answer(
    attempt: AttemptId | UUID,
    *,
    winner: Winner | None = Winner.ESSAY_A,
    error_code: str | None = None,
    cost_usd: Decimal = Decimal(0),
) -> Answer:
    """What came back for an attempt."""
    return Answer(
        attempt_id=AttemptId(attempt),
        batch_id=BatchId("any"),
        event_id=uuid4(),
        winner=None if error_code else winner,
        justification=None if error_code else "better developed",
        confidence=None if error_code else 4.0,
        error_code=error_code,
        error_message="no" if error_code else None,
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


@asynccontextmanager
async def stored(database_url: str) -> AsyncIterator[Stored]:
    """A store on the database; the schema must be there."""
    database = Database(database_url, application_name="test")
    try:
        yield Stored(database=database, store=PostgresStore(database, wake_relays=lambda: None))
    finally:
        await database.close()
