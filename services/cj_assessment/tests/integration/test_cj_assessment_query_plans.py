"""Beside a million comparisons, the statements of every step read the rows that they are about and few others."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from cj_assessment.adapters import sql
from cj_assessment.settings import MIGRATIONS
from cj_assessment.tests.storing import Stored, stored
from service_kit.storage.database import migrate
from sqlalchemy import TextClause, text

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

MANY = 1_000_000
OLD_BATCHES = 200
ITEMS = 200
EACH = MANY // OLD_BATCHES
AT_ONCE = 500
PAGES_A_ROW = 40
"""A row, the entries of its indexes, and what is looked at to find them."""

# Foreign keys are not checked while the past is written: that would take longer than everything else.
PAST = (
    "SET LOCAL session_replication_role = replica",
    """
    INSERT INTO assessment_batch (id, batch_id, request_sha256, correlation_id, request, target_reliability, state,
                                  judges, deadline, ended_at)
    SELECT gen_random_uuid(), 'old-' || number, '', gen_random_uuid(), '{}', 0.9, 'completed', '[]', now(), now()
    FROM generate_series(1, :batches) AS number
    """,
    """
    INSERT INTO batch_essay (batch, item, essay_id, text_storage_id)
    SELECT id, item, 'essay-' || item, 'text-' || item
    FROM assessment_batch CROSS JOIN generate_series(0, :items - 1) AS item WHERE batch_id LIKE 'old-%'
    """,
    """
    INSERT INTO comparison (batch, round, slot_a, slot_b, repetition, chosen_by, assigned, cap_usd, state, attempts,
                            a_won, judged_at)
    SELECT id, 1 + number / 100, number % :items, (number + 1 + number / :items) % :items, 0, 'cycle', 0, 0.01,
           'judged', 1, true, now()
    FROM assessment_batch CROSS JOIN generate_series(0, :each - 1) AS number WHERE batch_id LIKE 'old-%'
    """,
    """
    INSERT INTO comparison_attempt (id, comparison, batch, number, request_id, deadline, outcome, reserved_usd,
                                    cost_usd, winner, ended_at)
    SELECT gen_random_uuid(), id, batch, 1, 'sent', now(), 'answered', 0.01, 0.005, 'Essay A', now()
    FROM comparison WHERE state = 'judged'
    """,
)
# Of the batch that is being judged 500 comparisons wait, 500 are with the judge, and half of those are overdue.
UNDER_WAY = """
    UPDATE comparison SET state = 'judged', a_won = true, attempts = 1
    WHERE batch = :ours AND id <= (SELECT min(id) FROM comparison WHERE batch = :ours) + :judged - 1
"""
TABLES = ("assessment_batch", "batch_essay", "comparison", "comparison_attempt")


@dataclass(frozen=True, kw_only=True)
class Million:
    """The crowded database, the batch in it that is being judged, and its attempts that are outstanding."""

    desk: Stored
    ours: UUID
    outstanding: list[UUID]

    async def plan(self, statement: TextClause | str, **values: object) -> dict[str, Any]:
        """The plan of a statement as it was carried out; what it changed is undone."""
        explain = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
        async with self.desk.database.transaction() as connection:
            undone = await connection.begin_nested()
            [(found,)] = await connection.execute(explain, values)
            await undone.rollback()
        plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
        return plan


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def million(make_database: Callable[[str], str]) -> AsyncIterator[Million]:
    url = make_database("cj_million")
    await migrate(url, MIGRATIONS)
    async with stored(url) as desk:
        pairs = [(n % ITEMS, (n + 1 + n // ITEMS) % ITEMS) for n in range(EACH)]
        batch = await desk.batch(pairs, n_essays=ITEMS)
        numbers: dict[str, object] = {"batches": OLD_BATCHES, "items": ITEMS, "each": EACH}
        await desk.execute(UNDER_WAY, ours=batch.job_id, judged=EACH - 2 * AT_ONCE)
        async with desk.database.transaction() as connection:
            for statement in PAST:
                await connection.execute(text(statement), _used(statement, numbers))
        started = await desk.start(AT_ONCE)
        ids = [attempt.attempt_id for attempt in started]
        await desk.execute(
            "UPDATE comparison_attempt SET request_id = 'sent' WHERE id = ANY(:ids)", ids=ids[: AT_ONCE // 2]
        )
        for table in TABLES:
            await desk.execute(f"ANALYZE {table}")
        yield Million(desk=desk, ours=batch.job_id, outstanding=list(ids))


def _used(statement: str, values: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if f":{name}" in statement}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def assert_reads_little(plan: dict[str, Any], *, rows: int) -> None:
    """No large table is read from end to end, and no more pages than so many rows account for."""
    scanned = [node["Relation Name"] for node in _nodes(plan) if node["Node Type"] == "Seq Scan"]
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert not {"comparison", "comparison_attempt", "batch_essay"} & set(scanned)
    assert pages <= PAGES_A_ROW * rows


async def test_which_batches_are_due_is_found_by_those_that_are_open(million: Million) -> None:
    plan = await million.plan(sql.DUE_BATCHES, limit=20)

    assert_reads_little(plan, rows=20)


async def test_the_books_of_a_batch_are_read_by_its_attempts(million: Million) -> None:
    plan = await million.plan(sql.SPENDING, job=million.ours)

    assert_reads_little(plan, rows=EACH)


async def test_progress_is_counted_by_a_batchs_comparisons(million: Million) -> None:
    plan = await million.plan(sql.PROGRESS, job=million.ours)

    assert_reads_little(plan, rows=EACH)


async def test_what_waits_is_taken_without_looking_at_the_past(million: Million) -> None:
    plan = await million.plan(sql.TAKE_PENDING, limit=AT_ONCE, held=[])

    assert plan["Actual Rows"] == AT_ONCE
    assert_reads_little(plan, rows=AT_ONCE)


async def test_the_books_of_a_batch_without_a_cap_are_not_read_to_take_its_pairs(million: Million) -> None:
    plan = await million.plan(sql.TAKE_PENDING, limit=AT_ONCE, held=[])

    books = [node for node in _nodes(plan) if node.get("Relation Name") == "comparison_attempt"]
    assert [node["Actual Loops"] for node in books if node["Actual Loops"]] == []


async def test_what_was_never_sent_is_found_among_the_outstanding(million: Million) -> None:
    await million.desk.execute("UPDATE comparison_attempt SET send_after = now() WHERE outcome IS NULL")

    plan = await million.plan(sql.TAKE_UNSENT, limit=AT_ONCE, lease=timedelta(seconds=15))

    assert plan["Actual Rows"] == AT_ONCE // 2
    assert_reads_little(plan, rows=AT_ONCE)


async def test_what_is_overdue_is_found_among_the_outstanding(million: Million) -> None:
    await million.desk.execute("UPDATE comparison_attempt SET deadline = now() WHERE outcome IS NULL")

    plan = await million.plan(sql.EXPIRE_ATTEMPTS, limit=AT_ONCE)

    assert plan["Actual Rows"] == AT_ONCE
    assert_reads_little(plan, rows=AT_ONCE)


async def test_answers_are_recorded_by_their_attempts(million: Million) -> None:
    plan = await million.plan(sql.RECORD_ANSWERS, **_answers(million.outstanding))

    assert plan["Actual Rows"] == AT_ONCE
    assert_reads_little(plan, rows=AT_ONCE)


async def test_comparisons_are_settled_by_their_attempts(million: Million) -> None:
    judged = await million.plan(sql.SETTLE_JUDGED, ids=million.outstanding)
    unanswered = await million.plan(
        sql.SETTLE_UNANSWERED,
        ids=million.outstanding,
        max_attempts=3,
        pause=timedelta(seconds=2),
        retryable=["TIMEOUT"],
    )

    assert_reads_little(judged, rows=AT_ONCE)
    assert_reads_little(unanswered, rows=AT_ONCE)


async def test_what_is_to_be_withdrawn_is_found_among_the_outstanding(million: Million) -> None:
    plan = await million.plan(sql.TAKE_WITHDRAWN, limit=50)

    assert_reads_little(plan, rows=AT_ONCE)


async def test_a_page_of_comparisons_costs_a_page(million: Million) -> None:
    plan = await million.plan(sql.COMPARISONS_PAGE, job=million.ours, after=0, limit=200)

    assert plan["Actual Rows"] == 200
    assert_reads_little(plan, rows=EACH)


def _answers(attempts: list[UUID]) -> dict[str, object]:
    many = len(attempts)
    return {
        "ids": attempts,
        "winners": ["Essay A"] * many,
        "justifications": ["better developed"] * many,
        "confidences": [4.0] * many,
        "error_codes": [None] * many,
        "error_messages": [None] * many,
        "providers": ["mock"] * many,
        "models": ["simulated"] * many,
        "prompt_tokens": [900] * many,
        "completion_tokens": [60] * many,
        "costs": [0] * many,
        "prices_known": [True] * many,
        "times": [12] * many,
        "prompts": [uuid4().hex] * many,
        "ended": [None] * many,
    }
