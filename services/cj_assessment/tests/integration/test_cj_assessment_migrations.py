"""A batch that an older version has stored is there after the upgrade, and the other way round."""

from collections.abc import Callable

from cj_assessment.domain.batch import BatchId
from cj_assessment.settings import MIGRATIONS
from cj_assessment.tests.storing import stored
from service_kit.storage.database import migrate

OLD = "0002"
STEPS_BACK = len(list((MIGRATIONS / "versions").glob("0*.py"))) - int(OLD)
BATCH = """
    INSERT INTO assessment_batch (id, batch_id, request_sha256, correlation_id, request, target_reliability, state,
                                  judges, deadline, due_round, ended_at)
    VALUES (gen_random_uuid(), :batch_id, '', gen_random_uuid(),
            '{"course_code": "SV1", "user_id": "teacher-1", "org_id": "school-1"}', 0.9, :state, '[]', now(), 3, :ended)
"""
ESSAYS = """
    INSERT INTO batch_essay (batch, item, essay_id, text_storage_id, signals)
    SELECT id, item, 'e' || item, 't', CASE item WHEN 0 THEN ARRAY['role_marker', 'anchor_text'] ELSE '{}' END
    FROM assessment_batch CROSS JOIN generate_series(0, 1) AS item
"""
COMPARISONS = """
    INSERT INTO comparison (batch, round, slot_a, slot_b, repetition, chosen_by, assigned, cap_usd)
    SELECT id, 1, 0, 1, 0, 'cycle', 0, 0 FROM assessment_batch
"""
ATTEMPTS = """
    INSERT INTO comparison_attempt (id, comparison, batch, number, deadline, reserved_usd)
    SELECT gen_random_uuid(), id, batch, 1, now(), 0 FROM comparison
"""
BACK = """
    SELECT batch_id, due_round, signals, assigned, attempt.outcome FROM assessment_batch AS batch
    JOIN batch_essay AS essay ON essay.batch = batch.id AND item = 0
    JOIN comparison ON comparison.batch = batch.id
    JOIN comparison_attempt AS attempt ON attempt.comparison = comparison.id
    ORDER BY batch_id
"""


async def test_what_an_older_version_stored_is_kept_on_the_way_up_and_on_the_way_down(
    make_database: Callable[[str], str],
) -> None:
    database = make_database("cj_migrations")
    await migrate(database, MIGRATIONS, revision=OLD)
    async with stored(database) as rows:
        for batch_id, state, ended in (("done", "completed", "now()"), ("open", "judging", "NULL")):
            await rows.execute(BATCH.replace(":ended", ended), batch_id=batch_id, state=state)
        for statement in (ESSAYS, COMPARISONS, ATTEMPTS):
            await rows.execute(statement)

    await migrate(database, MIGRATIONS)

    async with stored(database) as rows, rows.store.transaction() as transaction:
        record = await transaction.batches.record(BatchId("open"))
        assert record is not None
        essays = await transaction.essays.of_batch(record.job_id)
        reported = await transaction.batches.take_unreported(limit=10)
    assert (record.course_code, record.user_id, record.org_id) == ("SV1", "teacher-1", "school-1")
    assert [essay.signals for essay in essays] == [("role_marker", "anchor_text"), ()]
    assert reported.keys == []

    async with stored(database) as rows:
        await rows.execute("UPDATE comparison_attempt SET outcome = 'withdrawn'")
    for _ in range(STEPS_BACK):
        await migrate(database, MIGRATIONS, revision="-1")

    async with stored(database) as rows:
        back = [tuple(row) for row in await rows.rows(BACK)]
    signals = ["role_marker", "anchor_text"]
    assert back == [("done", 3, signals, 0, "refused"), ("open", 3, signals, 0, "refused")]
