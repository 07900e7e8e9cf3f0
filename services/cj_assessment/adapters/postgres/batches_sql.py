"""The statements about batches; the plans of the hot ones are guarded by tests."""

from typing import Final

from service_kit.work.failed_items import is_retryable_sql
from sqlalchemy import text

from cj_assessment.ports.worker_names import ADVANCE, PREPARE, REPORT, SUBMIT

_ACCEPTED = "batch.ended_at IS NULL AND batch.state = 'accepted' AND batch.cancelled_at IS NULL"
_JUDGING = "batch.ended_at IS NULL AND (batch.state = 'judging' OR batch.cancelled_at IS NOT NULL)"


def _seconds_until_next(condition: str, worker: str) -> str:
    """SQL: seconds until the next batch of this condition is due, the delay of a failed one included."""
    return f"""
        SELECT extract(epoch FROM min(greatest(batch.next_check_at, failed_item.not_before)) - now())
        FROM assessment_batch AS batch
        LEFT JOIN failed_item ON failed_item.worker = '{worker}' AND failed_item.item = CAST(batch.id AS text)
        WHERE {condition} AND failed_item.set_aside_at IS NULL
    """


# The essays have rows of their own; what peers say of each of them in a request is long and never needed again.
REQUEST_WITHOUT_ESSAYS: Final = (
    """(request - 'essays_for_cj' || jsonb_build_object('essays_for_cj', CAST('[]' AS jsonb)))::text"""
)

DUE_ACCEPTED = text(
    f"""
    SELECT id FROM assessment_batch AS batch
    WHERE {_ACCEPTED} AND next_check_at <= now() AND {is_retryable_sql(PREPARE, "batch.id")}
    ORDER BY next_check_at LIMIT :limit
    """
)
TAKE_ACCEPTED = text(
    f"""
    UPDATE assessment_batch SET next_check_at = now() + CAST(:lease AS interval)
    WHERE id IN ({DUE_ACCEPTED.text} FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id
    """
)
NEXT_ACCEPTED = text(_seconds_until_next(_ACCEPTED, PREPARE))

# A batch is due when the rounds that it awaits have no open comparison: no message is needed.
TAKE_JUDGING = text(
    f"""
    SELECT id FROM assessment_batch AS batch
    WHERE {_JUDGING}
      AND (next_check_at <= now() OR NOT EXISTS (
        SELECT 1 FROM comparison
        WHERE comparison.job_id = batch.id AND comparison.round <= batch.awaited_round
          AND comparison.state IN ('pending', 'submitted')
      ))
      AND {is_retryable_sql(ADVANCE, "batch.id")}
    ORDER BY next_check_at LIMIT :limit
    """
)
NEXT_JUDGING = text(_seconds_until_next(_JUDGING, ADVANCE))

ABANDON = text(
    "UPDATE comparison SET state = 'abandoned' WHERE job_id = :job_id AND state IN ('pending', 'submitted')"
)

CANCEL = text(
    """
    UPDATE assessment_batch SET cancelled_at = coalesce(cancelled_at, now()), next_check_at = now()
    WHERE batch_id = :batch_id AND ended_at IS NULL
    RETURNING id
    """
)
# Cancelling works without delay, even for a batch on which every decision has failed so far.
RETRY_NOW = text(
    f"DELETE FROM failed_item WHERE worker = '{ADVANCE}' AND item = CAST(CAST(:job_id AS uuid) AS text)"
)

REPORT_PROBLEM = text(
    """
    INSERT INTO batch_problem AS known (job_id, error_code, message)
    SELECT id, :code, :message FROM assessment_batch
    WHERE id = ANY(CAST(:job_ids AS uuid[])) AND ended_at IS NULL
    ORDER BY id
    ON CONFLICT (job_id) DO UPDATE SET error_code = excluded.error_code, message = excluded.message,
        since = CASE WHEN known.error_code = excluded.error_code THEN known.since ELSE excluded.since END
    """
)
CLEAR_PROBLEM = text("DELETE FROM batch_problem WHERE job_id = ANY(CAST(:job_ids AS uuid[]))")

REPORTED_PROBLEM = text(
    """
    SELECT error_code AS code, message, since,
           (SELECT count(*) FROM comparison
            WHERE comparison.job_id = batch_problem.job_id AND state IN ('pending', 'submitted')) AS comparisons
    FROM batch_problem WHERE job_id = :job_id
    """
)
FAILING_STEP = text(
    f"""
    SELECT error_code AS code, error_message AS message, first_failed_at AS since,
           (SELECT count(*) FROM comparison
            WHERE comparison.job_id = :job_id AND state IN ('pending', 'submitted')) AS comparisons
    FROM failed_item
    WHERE worker IN ('{PREPARE}', '{ADVANCE}', '{SUBMIT}') AND item = CAST(CAST(:job_id AS uuid) AS text)
    ORDER BY last_failed_at DESC LIMIT 1
    """
)
# Failures since the last judgement: as long as some comparisons are judged, the batch continues.
FAILING_JUDGEMENTS = text(
    """
    SELECT error_code AS code, (array_agg(error_message ORDER BY ended_at DESC))[1] AS message,
           min(ended_at) AS since, count(*) AS comparisons
    FROM comparison_attempt
    WHERE job_id = :job_id AND outcome IN ('refused', 'expired') AND error_code IS NOT NULL
      AND ended_at > (SELECT coalesce(max(judged_at), '-infinity') FROM comparison WHERE job_id = :job_id)
    GROUP BY error_code ORDER BY count(*) DESC, error_code LIMIT 1
    """
)

TAKE_UNREPORTED = text(
    f"""
    SELECT id FROM assessment_batch AS batch
    WHERE ended_at IS NOT NULL AND consumption_reported_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM comparison_attempt AS attempt
                      WHERE attempt.job_id = batch.id AND attempt.outcome IS NULL)
      AND {is_retryable_sql(REPORT, "batch.id")}
    ORDER BY ended_at LIMIT :limit
    """
)
MARK_REPORTED = text(
    """
    UPDATE assessment_batch SET consumption_reported_at = now(), consumption_reported = :billed
    FROM (SELECT id, consumption_reported AS earlier FROM assessment_batch WHERE id = :job_id) AS before
    WHERE assessment_batch.id = before.id AND consumption_reported_at IS NULL
    RETURNING CAST(:billed AS integer) - before.earlier
    """
)

REOPEN = text(
    """
    UPDATE assessment_batch SET
        state = CASE WHEN started_at IS NULL THEN 'accepted' ELSE 'judging' END,
        ended_at = NULL, stop_reason = NULL, error = NULL, consumption_reported_at = NULL, next_check_at = now()
    WHERE id = :job_id AND state = 'failed' AND texts_deleted_at IS NULL
    """
)
# What was outstanding when the batch ended was withdrawn: it is asked again, under a new attempt.
REQUEUE_ABANDONED = text(
    "UPDATE comparison SET state = 'pending' WHERE job_id = :job_id AND state = 'abandoned'"
)
