"""What is older than its time is deleted in bounded steps, and nothing that is still needed."""

from datetime import timedelta

from cj_assessment.adapters.postgres.retention import BATCHES_PER_STEP, retention_rules
from cj_assessment.domain.batch import JobId
from cj_assessment.tests.postgres_fixtures import StoredInPostgres, answer
from event_contracts import AssessmentState, StopReason
from service_kit.housekeeping import Housekeeping
from service_kit.tests.builders import new_metrics

DAYS = timedelta(days=90)


def housekeeping(storage: StoredInPostgres, *, result_retention: timedelta | None = None) -> Housekeeping:
    rules = retention_rules(
        text_retention=DAYS, result_retention=result_retention, erasure_retention=DAYS, audit_retention=DAYS
    )
    return Housekeeping(database=storage.database, metrics=new_metrics(), rules=rules)


async def tidied(storage: StoredInPostgres, *, result_retention: timedelta | None = None) -> int:
    """Apply the rules until nothing is left to do; returns in how many steps."""
    keeper, steps = housekeeping(storage, result_retention=result_retention), 1
    while await keeper.tidy() is not None:
        steps += 1
    return steps


async def ended_batch(storage: StoredInPostgres, *, days_ago: int) -> JobId:
    """A judged batch that ended so long ago."""
    batch = await storage.batch([(0, 1), (1, 2)])
    await storage.record(*[answer(attempt) for attempt in await storage.send()])
    async with storage.store.transaction() as transaction:
        await transaction.batches.end(
            batch.job_id,
            state=AssessmentState.COMPLETED,
            stop_reason=StopReason.BUDGET_COST,
            result=None,
            error=None,
        )
    await storage.execute(
        "UPDATE assessment_batch SET ended_at = now() - make_interval(days => :days),"
        " consumption_reported_at = now(), rubric = 'r', student_prompt = 'p' WHERE id = :id",
        days=days_ago,
        id=batch.job_id,
    )
    return batch.job_id


async def texts_of(storage: StoredInPostgres, job_id: JobId) -> tuple[int, int, int]:
    """Essays with text, answers with reasons, and prompts that are left of a batch."""
    (row,) = await storage.rows(
        "SELECT (SELECT count(body) FROM batch_essay WHERE job_id = :id),"
        " (SELECT count(justification) FROM comparison_attempt WHERE job_id = :id),"
        " (SELECT num_nonnulls(instructions, rubric, student_prompt) FROM assessment_batch WHERE id = :id)",
        id=job_id,
    )
    return (row[0], row[1], row[2])


async def test_texts_and_reasons_go_ninety_days_after_a_batch_has_ended_and_scores_stay(
    postgres: StoredInPostgres,
) -> None:
    old = await ended_batch(postgres, days_ago=91)
    recent = await ended_batch(postgres, days_ago=89)
    running = await postgres.batch([(0, 1)])

    await tidied(postgres)

    assert await texts_of(postgres, old) == (0, 0, 0)
    assert await texts_of(postgres, recent) == (8, 2, 3)
    assert (await texts_of(postgres, running.job_id))[0] == 8
    (row,) = await postgres.rows("SELECT count(*) FROM comparison WHERE job_id = :id AND a_won", id=old)
    assert row[0] == 2


async def test_many_old_batches_take_many_steps(postgres: StoredInPostgres) -> None:
    for _ in range(2 * BATCHES_PER_STEP + 1):
        await ended_batch(postgres, days_ago=100)

    steps = await tidied(postgres)

    assert steps == 3
    assert (await postgres.rows("SELECT count(body) FROM batch_essay"))[0][0] == 0


async def test_a_batch_without_texts_is_not_judged_again(postgres: StoredInPostgres) -> None:
    old = await ended_batch(postgres, days_ago=100)
    await postgres.execute("UPDATE assessment_batch SET state = 'failed' WHERE id = :id", id=old)
    await tidied(postgres)

    async with postgres.store.transaction() as transaction:
        assert not await transaction.batches.reopen(old)


async def test_old_content_goes_unless_it_is_referred_to(postgres: StoredInPostgres) -> None:
    await ended_batch(postgres, days_ago=10)
    for storage_id in ("text-0", "orphan", "anchor", "task", "rubric", "posted again"):
        async with postgres.store.transaction() as transaction:
            await transaction.contents.put(storage_id=storage_id, body=b"text")
    await postgres.execute("UPDATE content SET created_at = now() - interval '91 days'")
    await postgres.execute(
        "INSERT INTO anchor_essay (assignment_id, anchor_label, grade_scale, grade, text_storage_id)"
        " VALUES ('a', 'l', 's', 'g', 'anchor')"
    )
    await postgres.execute(
        "INSERT INTO assessment_instruction (assignment_id, instructions_text, grade_scale, context_origin,"
        " student_prompt_storage_id, judge_rubric_storage_id)"
        " VALUES ('a', 't', 's', 'research_experiment', 'task', 'rubric')"
    )
    async with postgres.store.transaction() as transaction:
        await transaction.contents.put(storage_id="posted again", body=b"text")

    await tidied(postgres)

    left = {row.storage_id for row in await postgres.rows("SELECT storage_id FROM content")}
    assert left == {"text-0", "anchor", "task", "rubric", "posted again"}


async def test_results_are_kept_unless_a_retention_is_set(postgres: StoredInPostgres) -> None:
    old, recent = await ended_batch(postgres, days_ago=400), await ended_batch(postgres, days_ago=10)

    await tidied(postgres)
    kept = {row.id for row in await postgres.rows("SELECT id FROM assessment_batch")}
    await tidied(postgres, result_retention=timedelta(days=365))
    left = {row.id for row in await postgres.rows("SELECT id FROM assessment_batch")}

    assert (kept, left) == ({old, recent}, {recent})


async def test_a_rule_that_fails_keeps_no_other_from_being_applied_and_is_listed(
    postgres: StoredInPostgres,
) -> None:
    old = await ended_batch(postgres, days_ago=100)
    await postgres.execute("INSERT INTO content (storage_id, body) VALUES ('orphan', 'x')")
    await postgres.execute("UPDATE content SET created_at = now() - interval '91 days'")
    await postgres.execute(
        "ALTER TABLE batch_essay ADD CONSTRAINT has_text CHECK (body IS NOT NULL) NOT VALID"
    )
    try:
        await tidied(postgres)
        listed = await postgres.rows("SELECT worker, item FROM failed_item")
        left = await postgres.rows("SELECT 1 FROM content")
    finally:
        await postgres.execute("ALTER TABLE batch_essay DROP CONSTRAINT has_text")
    await tidied(postgres)

    assert [tuple(row) for row in listed] == [("housekeeping", "texts and raw answers")]
    assert left == []
    assert await texts_of(postgres, old) == (0, 0, 0)
    assert await postgres.rows("SELECT 1 FROM failed_item") == []


async def test_what_administrators_changed_long_ago_is_forgotten(postgres: StoredInPostgres) -> None:
    for days in (91, 89):
        await postgres.execute(
            'INSERT INTO admin_change (at, "by", operation, subject, after) VALUES'
            " (now() - make_interval(days => :days), 'somebody', 'instructions.save', :subject, '{}')",
            days=days,
            subject=f"{days} days ago",
        )

    await tidied(postgres)

    assert [row.subject for row in await postgres.rows("SELECT subject FROM admin_change")] == ["89 days ago"]
