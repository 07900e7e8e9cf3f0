"""Among a million comparisons, the statements of every step read the rows that they are about and few others."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from cj_assessment.adapters.postgres import attempts_sql, batches_sql, comparisons
from cj_assessment.adapters.postgres.attempts_rows import ANSWERS
from cj_assessment.domain.comparison import UnsentAttempt
from cj_assessment.settings import MIGRATIONS
from cj_assessment.tests.storing import POLICY, StoredInPostgres, answer, stored
from service_kit.storage.database import migrate
from sqlalchemy import TextClause, text

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

MANY = 1_000_000
OLD_BATCHES = 200
BATCHES_PER_STEP = 20
ITEMS = 200
EACH = MANY // OLD_BATCHES
BATCH_SIZE = 500
LEASE = timedelta(seconds=15)
STARTING = {"limit": BATCH_SIZE, "locked": [], "lease": LEASE, "within": POLICY.answer_timeout}
PAGES_PER_ROW = 40
"""A row, the entries of its indexes, and what is looked at to find them."""

# Foreign keys are not checked while the past is written: that would take longer than everything else.
PAST = (
    "SET LOCAL session_replication_role = replica",
    """
    INSERT INTO assessment_batch (id, batch_id, request_sha256, correlation_id, request, course_code, user_id,
                                  target_reliability, state, judges, deadline, ended_at, consumption_reported_at)
    SELECT gen_random_uuid(), 'old-' || number, '', gen_random_uuid(), '{}', 'ENG5', 'teacher', 0.9, 'completed',
           '[]', now(), now(), now()
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS number
    """,
    """
    INSERT INTO batch_essay (job_id, item, essay_id, text_storage_id)
    SELECT id, item, 'essay-' || item, 'text-' || item
    FROM assessment_batch CROSS JOIN generate_series(0, :items - 1) AS item WHERE batch_id LIKE 'old-%'
      AND received_at = now()
    """,
    """
    INSERT INTO comparison (job_id, round, slot_a, slot_b, repetition, chosen_by, judge_index, cap_usd, state, attempts,
                            a_won, judged_at)
    SELECT id, 1 + number / 100, number % :items, (number + 1 + number / :items) % :items, 0, 'cycle', 0, 0.01,
           'judged', 1, true, now()
    FROM assessment_batch CROSS JOIN generate_series(0, :each - 1) AS number WHERE batch_id LIKE 'old-%'
      AND received_at = now()
    """,
    """
    INSERT INTO comparison_attempt (id, comparison_id, job_id, number, request_id, deadline, outcome, reserved_usd,
                                    cost_usd, winner, ended_at)
    SELECT gen_random_uuid(), id, job_id, 1, 'sent', now(), 'answered', 0.01, 0.005, 'Essay A', now()
    FROM comparison WHERE state = 'judged' AND judged_at = now()
    """,
)
# Of the batch that is being judged 500 comparisons wait, 500 are with the judge, and half of those are overdue.
UNDER_WAY = """
    UPDATE comparison SET state = 'judged', a_won = true, attempts = 1
    WHERE job_id = :ours AND id <= (SELECT min(id) FROM comparison WHERE job_id = :ours) + :judged - 1
"""
TABLES = ("assessment_batch", "batch_essay", "comparison", "comparison_attempt")


@dataclass(frozen=True, kw_only=True)
class Million:
    """The crowded database, the batch in it that is being judged, and its attempts that are outstanding."""

    desk: StoredInPostgres
    ours: UUID
    outstanding: list[UnsentAttempt]

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
        await desk.execute(UNDER_WAY, ours=batch.job_id, judged=EACH - 2 * BATCH_SIZE)
        for first in range(1, OLD_BATCHES, BATCHES_PER_STEP):
            await write_past(desk, first=first, last=first + BATCHES_PER_STEP - 1)
        started = await desk.start(BATCH_SIZE)
        ids = [attempt.attempt_id for attempt in started]
        await desk.execute(
            "UPDATE comparison_attempt SET request_id = 'sent' WHERE id = ANY(:ids)",
            ids=ids[: BATCH_SIZE // 2],
        )
        for table in TABLES:
            await desk.execute(f"ANALYZE {table}")
        yield Million(desk=desk, ours=batch.job_id, outstanding=list(started))


async def write_past(desk: StoredInPostgres, *, first: int, last: int) -> None:
    """Batches that have ended, in steps that no time limit of a statement ends on a busy machine."""
    numbers: dict[str, object] = {"first": first, "last": last, "items": ITEMS, "each": EACH}
    async with desk.database.transaction() as connection:
        for statement in PAST:
            await connection.execute(text(statement), _used(statement, numbers))


def _used(statement: str, values: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if f":{name}" in statement}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def assert_reads_little(plan: dict[str, Any], *, rows: int) -> None:
    """No large table is read from end to end, and no more pages than the rows account for."""
    scanned = [node["Relation Name"] for node in _nodes(plan) if node["Node Type"] == "Seq Scan"]
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert not {"comparison", "comparison_attempt", "batch_essay"} & set(scanned)
    assert pages <= PAGES_PER_ROW * rows


async def test_which_batches_are_due_is_found_by_those_that_are_open(million: Million) -> None:
    plan = await million.plan(batches_sql.TAKE_JUDGING, limit=20)

    assert_reads_little(plan, rows=20)


async def test_the_spending_of_a_batch_is_read_by_its_attempts(million: Million) -> None:
    plan = await million.plan(comparisons.SPENDING, job_id=million.ours)

    assert_reads_little(plan, rows=EACH)


async def test_progress_is_counted_by_a_batchs_comparisons(million: Million) -> None:
    plan = await million.plan(comparisons.PROGRESS, job_id=million.ours)

    assert_reads_little(plan, rows=EACH)


async def test_what_waits_is_taken_without_looking_at_the_past(million: Million) -> None:
    plan = await million.plan(attempts_sql.START_ATTEMPTS, **STARTING, job_ids=[million.ours])

    assert plan["Actual Rows"] == BATCH_SIZE
    # Of each comparison its row is changed and its attempt inserted, each with its indexes.
    assert_reads_little(plan, rows=2 * BATCH_SIZE)


async def test_the_spending_of_a_batch_without_a_cap_is_not_read_to_take_its_pairs(million: Million) -> None:
    plan = await million.plan(attempts_sql.START_ATTEMPTS, **STARTING, job_ids=[million.ours])

    spending = [
        node
        for node in _nodes(plan)
        if node.get("Relation Name") == "comparison_attempt" and node["Node Type"] != "ModifyTable"
    ]
    assert [node["Actual Loops"] for node in spending if node["Actual Loops"]] == []


async def test_what_was_never_sent_is_found_among_the_outstanding(million: Million) -> None:
    await million.desk.execute("UPDATE comparison_attempt SET send_not_before = now() WHERE outcome IS NULL")

    plan = await million.plan(
        attempts_sql.TAKE_UNSENT, limit=BATCH_SIZE, job_ids=[million.ours], lease=LEASE, within=LEASE
    )

    assert plan["Actual Rows"] == BATCH_SIZE // 2
    assert_reads_little(plan, rows=BATCH_SIZE)


async def test_what_is_overdue_is_found_among_the_outstanding(million: Million) -> None:
    await million.desk.execute("UPDATE comparison_attempt SET deadline = now() WHERE outcome IS NULL")

    plan = await million.plan(attempts_sql.TAKE_OVERDUE, limit=BATCH_SIZE)

    assert plan["Actual Rows"] == BATCH_SIZE // 2
    assert_reads_little(plan, rows=BATCH_SIZE)


async def test_answers_are_recorded_by_their_attempts(million: Million) -> None:
    plan = await million.plan(
        attempts_sql.RECORD_ANSWERS, **ANSWERS.parameters(map(answer, million.outstanding))
    )

    assert plan["Actual Rows"] == BATCH_SIZE
    # Of each answer the attempt is changed, and its comparison, batch and essays are looked up.
    assert_reads_little(plan, rows=2 * BATCH_SIZE)


async def test_comparisons_are_settled_by_their_attempts(million: Million) -> None:
    ids = [attempt.attempt_id for attempt in million.outstanding]

    judged = await million.plan(attempts_sql.SETTLE_JUDGED, ids=ids)
    failed = await million.plan(attempts_sql.SETTLE_FAILED, ids=ids)
    expired = await million.plan(
        attempts_sql.EXPIRE_ATTEMPTS, ids=ids, lost=ids, max_attempts=2, message="late"
    )

    assert_reads_little(judged, rows=BATCH_SIZE)
    assert_reads_little(failed, rows=BATCH_SIZE)
    # Both the attempt and its comparison are changed.
    assert_reads_little(expired, rows=2 * BATCH_SIZE)


async def test_what_is_to_be_withdrawn_is_found_among_the_outstanding(million: Million) -> None:
    plan = await million.plan(attempts_sql.TAKE_WITHDRAWABLE, limit=50, lease=LEASE)

    assert_reads_little(plan, rows=BATCH_SIZE)


async def test_a_page_of_comparisons_costs_a_page(million: Million) -> None:
    plan = await million.plan(comparisons.COMPARISONS_PAGE, job_id=million.ours, after=0, limit=200)

    assert plan["Actual Rows"] == 200
    assert_reads_little(plan, rows=EACH)
