"""The statements that delete texts: because their time is over, or because a batch is to be forgotten."""

from typing import Final

from sqlalchemy import text

from cj_assessment.adapters.postgres.tables import STUDENT_PROMPT

# What a batch keeps without its texts: who asked for it and what came out. The request holds prompts and what peers
# say of each essay; nothing reads it once the batch has ended, and a batch without texts is never judged again.
_ERASE: Final = """
    , essays AS (
        UPDATE batch_essay SET body = NULL
        WHERE job_id IN (SELECT id FROM due) AND body IS NOT NULL
    ), attempts AS (
        UPDATE comparison_attempt SET justification = NULL, error_message = NULL
        WHERE job_id IN (SELECT id FROM due) AND (justification IS NOT NULL OR error_message IS NOT NULL)
    )
    UPDATE assessment_batch SET
        instructions = NULL, rubric = NULL, student_prompt = NULL, request = '{}', texts_deleted_at = now(),
        error = CASE WHEN jsonb_typeof(error) = 'object' THEN jsonb_set(error, '{details}', '{}') ELSE error END
    WHERE id IN (SELECT id FROM due)
"""
ERASE_OLD_TEXTS = text(
    f"""
    WITH due AS (
        SELECT id FROM assessment_batch
        WHERE ended_at < now() - CAST(:age AS interval) AND texts_deleted_at IS NULL
        ORDER BY ended_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ) {_ERASE}
    """
)
ERASE_TEXTS = text(f"WITH due AS (SELECT CAST(:job_id AS uuid) AS id) {_ERASE}")

# A text may be an anchor, a task, a rubric, or an essay of another batch.
_UNUSED: Final = f"""
    NOT EXISTS (SELECT 1 FROM anchor_essay WHERE anchor_essay.text_storage_id = content.storage_id)
    AND NOT EXISTS (
        SELECT 1 FROM assessment_instruction AS told
        WHERE content.storage_id IN (told.student_prompt_storage_id, told.judge_rubric_storage_id))
    AND NOT EXISTS (
        SELECT 1 FROM batch_essay JOIN assessment_batch ON assessment_batch.id = batch_essay.job_id
        WHERE batch_essay.text_storage_id = content.storage_id AND assessment_batch.texts_deleted_at IS NULL)
    AND NOT EXISTS (
        SELECT 1 FROM assessment_batch
        WHERE texts_deleted_at IS NULL AND ({STUDENT_PROMPT}) = content.storage_id)
    AND NOT EXISTS (SELECT 1 FROM assessment_batch WHERE result_ref = content.storage_id)
"""
DELETE_UNUSED_CONTENT = text(
    f"""
    DELETE FROM content WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM content WHERE created_at < now() - CAST(:age AS interval) AND {_UNUSED} LIMIT :limit))
    """
)
DELETE_CONTENT = text(
    f"DELETE FROM content WHERE storage_id = ANY(CAST(:ids AS text[])) AND {_UNUSED} RETURNING storage_id"
)
TEXTS_USED_HERE_ALONE = text(
    f"SELECT storage_id FROM unnest(CAST(:ids AS text[])) AS content (storage_id) WHERE {_UNUSED}"
)
TEXTS_OF_BATCH = text(
    f"""
    SELECT text_storage_id FROM batch_essay WHERE job_id = :job_id
    UNION SELECT {STUDENT_PROMPT} FROM assessment_batch WHERE id = :job_id AND ({STUDENT_PROMPT}) IS NOT NULL
    """
)
# Scores stay where only texts are to go, and with them the copy of a large result.
RELEASE_RESULT = text(
    """
    UPDATE assessment_batch SET result_ref = NULL
    FROM (SELECT id, result_ref FROM assessment_batch WHERE id = :job_id) AS before
    WHERE assessment_batch.id = before.id AND before.result_ref IS NOT NULL
    RETURNING before.result_ref
    """
)

# Consumption is announced before a batch is deleted: otherwise it would never be reported.
DELETE_OLD_BATCHES = text(
    """
    DELETE FROM assessment_batch WHERE id = ANY(ARRAY(
        SELECT id FROM assessment_batch
        WHERE ended_at < now() - CAST(:age AS interval) AND consumption_reported_at IS NOT NULL LIMIT :limit))
    """
)

LOCK_BATCH = text("SELECT id, ended_at FROM assessment_batch WHERE batch_id = :batch_id FOR UPDATE")
ADD_ERASURE = text(
    """
    INSERT INTO erasure AS known (batch_id, everything, requested_by, elsewhere)
    VALUES (:batch_id, :everything, :requested_by, CAST(:elsewhere AS text[]))
    ON CONFLICT (batch_id) DO UPDATE SET
        everything = known.everything OR excluded.everything, next_step_at = now(),
        elsewhere = ARRAY(SELECT DISTINCT unnest(known.elsewhere || excluded.elsewhere)),
        requests_erased = CASE WHEN known.everything OR NOT excluded.everything THEN known.requests_erased END,
        completed_at = CASE WHEN known.everything OR NOT excluded.everything THEN known.completed_at END
    RETURNING *
    """
)
READ_ERASURE = text("SELECT * FROM erasure WHERE batch_id = :batch_id")
# Failures quote what could not be handled; messages that were given up carry results.
DELETE_FAILURES = text(
    """
    DELETE FROM failed_item WHERE item = CAST(CAST(:job_id AS uuid) AS text)
       OR item IN (SELECT CAST(id AS text) FROM comparison_attempt WHERE job_id = :job_id)
    """
)
DELETE_MESSAGES = text("DELETE FROM outbox WHERE key = :batch_id AND given_up_at IS NOT NULL")
DELETE_CALLBACKS = text(
    """
    DELETE FROM outbox WHERE transport = 'http' AND given_up_at IS NOT NULL
       AND position(convert_to(:batch_id, 'UTF8') IN value) > 0
    """
)

NOTE_REQUESTS = text("UPDATE erasure SET requests_erased = :erased WHERE batch_id = :batch_id")
NOTE_TEXTS = text(
    """
    UPDATE erasure SET kept_elsewhere = kept_elsewhere + :kept,
        elsewhere = ARRAY(SELECT id FROM unnest(elsewhere) AS id WHERE id <> ALL(CAST(:settled AS text[])))
    WHERE batch_id = :batch_id
    """
)
DELETE_BATCH = text(
    "DELETE FROM assessment_batch WHERE batch_id = :batch_id AND consumption_reported_at IS NOT NULL"
)
BATCH_IS_THERE = text("SELECT EXISTS (SELECT 1 FROM assessment_batch WHERE batch_id = :batch_id)")
COMPLETE = text(
    """
    UPDATE erasure SET completed_at = now()
    WHERE batch_id = :batch_id AND completed_at IS NULL AND requests_erased IS NOT NULL AND elsewhere = '{}'
    """
)
