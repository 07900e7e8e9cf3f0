"""The statements about attempts; the plans of the hot ones are guarded by tests."""

from service_kit.work.failed_items import is_retryable_sql
from sqlalchemy import text

from cj_assessment.adapters.postgres.attempts_rows import ANSWERS
from cj_assessment.ports.worker_names import EXPIRE, SUBMIT, WITHDRAW

TAKE_WAITING = text(
    f"""
    SELECT batch.id FROM assessment_batch AS batch
    WHERE batch.ended_at IS NULL AND batch.state = 'judging' AND batch.cancelled_at IS NULL
      AND {is_retryable_sql(SUBMIT, "batch.id")}
      AND (EXISTS (SELECT 1 FROM comparison WHERE comparison.job_id = batch.id AND state = 'pending')
           OR batch.id IN (SELECT attempt.job_id FROM comparison_attempt AS attempt
                           WHERE attempt.outcome IS NULL AND attempt.request_id IS NULL
                             AND attempt.send_not_before <= now()))
    ORDER BY batch.received_at LIMIT :limit
    """
)
NEXT_UNSENT = text(
    """
    SELECT extract(epoch FROM min(send_not_before) - now()) FROM comparison_attempt
    WHERE outcome IS NULL AND request_id IS NULL
    """
)

# Budget is reserved by one replica at a time for each batch that has a cap. The lock is taken in a statement of its
# own, so that the next one sees what the replica before has committed.
LOCK_CAPPED = text(
    """
    SELECT id FROM assessment_batch
    WHERE id = ANY(CAST(:job_ids AS uuid[])) AND max_cost_usd IS NOT NULL
      AND pg_try_advisory_xact_lock(hashtextextended(id::text, 0))
    """
)

_UNSENT = """
    SELECT {attempts}.id, batch.id AS job_id, batch.batch_id, comparison.slot_a, comparison.slot_b,
           comparison.repetition, comparison.judge_index, a.essay_id AS essay_a_id, b.essay_id AS essay_b_id,
           coalesce(octet_length(a.body), 0) + coalesce(octet_length(b.body), 0) AS text_bytes
    FROM {attempts} JOIN comparison ON comparison.id = {attempts}.comparison_id
    JOIN assessment_batch AS batch ON batch.id = comparison.job_id
    JOIN batch_essay AS a ON a.job_id = comparison.job_id AND a.item = comparison.slot_a
    JOIN batch_essay AS b ON b.job_id = comparison.job_id AND b.item = comparison.slot_b
    ORDER BY comparison.id
"""

# Batches take turns: the k-th waiting comparison of every batch comes before the (k+1)-th of any. Of a batch with a
# cap only as many are taken as the money that is neither spent nor reserved pays for, at their highest cost. A new
# attempt is sent by the worker that starts it: no other takes it before the lease has ended.
START_ATTEMPTS = text(
    f"""
    WITH active AS MATERIALIZED (
        SELECT batch.id, CASE WHEN batch.max_cost_usd IS NOT NULL THEN batch.max_cost_usd - (
            SELECT coalesce(sum(cost_usd), 0) + coalesce(
                sum(reserved_usd) FILTER (WHERE outcome IS NULL OR outcome = 'expired'), 0)
            FROM comparison_attempt WHERE comparison_attempt.job_id = batch.id
        ) END AS money
        FROM assessment_batch AS batch
        WHERE batch.id = ANY(CAST(:job_ids AS uuid[])) AND batch.ended_at IS NULL AND batch.state = 'judging'
          AND batch.cancelled_at IS NULL
          AND (batch.max_cost_usd IS NULL OR batch.id = ANY(CAST(:locked AS uuid[])))
    ), waiting AS (
        SELECT next.id, next.turn
        FROM active CROSS JOIN LATERAL (
            SELECT id, row_number() OVER (ORDER BY id) AS turn, sum(cap_usd) OVER (ORDER BY id) AS cost
            FROM (
                SELECT id, cap_usd FROM comparison
                WHERE comparison.job_id = active.id AND state = 'pending'
                ORDER BY id LIMIT :limit
            ) AS first
        ) AS next
        WHERE active.money IS NULL OR next.cost <= active.money
    ), chosen AS (
        SELECT comparison.id FROM comparison JOIN waiting USING (id)
        WHERE comparison.state = 'pending'
        ORDER BY turn, comparison.id LIMIT :limit FOR UPDATE OF comparison SKIP LOCKED
    ), submitted AS (
        UPDATE comparison SET state = 'submitted', attempts = attempts + 1
        FROM chosen WHERE comparison.id = chosen.id
        RETURNING comparison.id, comparison.job_id, comparison.attempts, comparison.cap_usd
    ), started AS (
        INSERT INTO comparison_attempt (id, comparison_id, job_id, number, reserved_usd, send_not_before, deadline)
        SELECT gen_random_uuid(), id, job_id, attempts, cap_usd, now() + CAST(:lease AS interval),
               now() + CAST(:within AS interval)
        FROM submitted
        RETURNING id, comparison_id
    )
    {_UNSENT.format(attempts="started")}
    """
)

TAKE_UNSENT = text(
    f"""
    WITH chosen AS (
        SELECT attempt.id FROM comparison_attempt AS attempt
        JOIN comparison ON comparison.id = attempt.comparison_id AND comparison.state = 'submitted'
        WHERE attempt.outcome IS NULL AND attempt.request_id IS NULL AND attempt.send_not_before <= now()
          AND attempt.job_id = ANY(CAST(:job_ids AS uuid[]))
        ORDER BY attempt.send_not_before LIMIT :limit FOR UPDATE OF attempt SKIP LOCKED
    ), taken AS (
        UPDATE comparison_attempt SET send_not_before = now() + CAST(:lease AS interval),
                                      deadline = now() + CAST(:within AS interval)
        FROM chosen WHERE comparison_attempt.id = chosen.id
        RETURNING comparison_attempt.id, comparison_attempt.comparison_id
    )
    {_UNSENT.format(attempts="taken")}
    """
)

RELEASE = text(
    """
    UPDATE comparison_attempt SET send_not_before = now()
    WHERE id = ANY(CAST(:ids AS uuid[])) AND outcome IS NULL AND request_id IS NULL
    """
)

# The time for an answer runs from the acknowledgement: while the LLM Provider is unavailable, nothing expires.
MARK_SENT = text(
    """
    UPDATE comparison_attempt SET request_id = sent.request_id,
        deadline = now() + CASE WHEN batch.is_relaxed THEN CAST(:relaxed_timeout AS interval)
                                ELSE CAST(:within AS interval) END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:request_ids AS text[])) AS sent (id, request_id),
         assessment_batch AS batch
    WHERE comparison_attempt.id = sent.id AND batch.id = comparison_attempt.job_id
    """
)

MARK_REFUSED = text(
    """
    WITH refused AS (
        UPDATE comparison_attempt
        SET outcome = 'refused', error_code = reported.code, error_message = reported.message, ended_at = now()
        FROM unnest(CAST(:ids AS uuid[]), CAST(:codes AS text[]), CAST(:messages AS text[]))
             AS reported (id, code, message)
        WHERE comparison_attempt.id = reported.id AND comparison_attempt.outcome IS NULL
        RETURNING comparison_id, error_code
    )
    UPDATE comparison SET state = 'failed', error_code = refused.error_code
    FROM refused WHERE comparison.id = refused.comparison_id AND comparison.state = 'submitted'
    """
)

# An answer counts where its request, its batch and both essays are those of the attempt. It may come before the
# acknowledgement of its request is stored. Names are looked up row by row: joins would read whole tables. An expired
# attempt may still be answered: it was paid for, and a late vote is a vote. What a withdrawn attempt has cost is
# recorded with its outcome.
RECORD_ANSWERS = text(
    f"""
    WITH answer AS (
        SELECT * FROM {ANSWERS.source}
    ), matching AS (
        SELECT answer.*, attempt.withdrawn_at, batch.texts_deleted_at IS NOT NULL AS is_forgotten FROM answer
        JOIN comparison_attempt AS attempt ON attempt.id = answer.attempt_id
             AND (attempt.request_id IS NULL OR attempt.request_id = answer.request_id)
        JOIN comparison ON comparison.id = attempt.comparison_id
        JOIN assessment_batch AS batch ON batch.id = attempt.job_id
        WHERE answer.batch_id = batch.batch_id
          AND answer.essay_a_id = (SELECT essay_id FROM batch_essay
                                   WHERE job_id = attempt.job_id AND item = comparison.slot_a)
          AND answer.essay_b_id = (SELECT essay_id FROM batch_essay
                                   WHERE job_id = attempt.job_id AND item = comparison.slot_b)
    ), recorded AS (
        UPDATE comparison_attempt AS attempt SET
            outcome = CASE WHEN matching.winner IS NOT NULL THEN 'answered'
                           WHEN matching.withdrawn_at IS NOT NULL THEN 'withdrawn' ELSE 'refused' END,
            request_id = matching.request_id, winner = matching.winner,
            justification = CASE WHEN NOT matching.is_forgotten THEN matching.justification END,
            confidence = matching.confidence,
            margin = matching.margin, log_odds_a = matching.log_odds_a, log_odds = matching.log_odds,
            error_code = matching.error_code,
            error_message = CASE WHEN NOT matching.is_forgotten THEN matching.error_message END,
            stops_batch = matching.stops_batch, provider = matching.provider, model = matching.model,
            prompt_tokens = matching.prompt_tokens, completion_tokens = matching.completion_tokens,
            cost_usd = matching.cost_usd, price_known = matching.price_known,
            response_time_ms = matching.response_time_ms, prompt_sha256 = matching.prompt_sha256,
            ended_at = matching.ended_at
        FROM matching
        WHERE attempt.id = matching.attempt_id AND (attempt.outcome IS NULL OR attempt.outcome = 'expired')
        RETURNING attempt.id
    )
    SELECT answer.attempt_id AS id, attempt.id IS NOT NULL AS known, matching.attempt_id IS NOT NULL AS matches,
           recorded.id IS NOT NULL AS recorded, coalesce(comparison.state = 'abandoned', false) AS late
    FROM answer
    LEFT JOIN matching ON matching.input_order = answer.input_order
    LEFT JOIN recorded ON recorded.id = matching.attempt_id
    LEFT JOIN comparison_attempt AS attempt ON attempt.id = answer.attempt_id
    LEFT JOIN comparison ON comparison.id = attempt.comparison_id
    """
)

SETTLE_JUDGED = text(
    """
    UPDATE comparison SET
        state = 'judged', a_won = (attempt.winner = 'Essay A'), confidence = attempt.confidence,
        margin = attempt.margin, log_odds_a = attempt.log_odds_a,
        judge = attempt.provider || '/' || attempt.model, judged_at = attempt.ended_at, error_code = NULL
    FROM comparison_attempt AS attempt
    WHERE attempt.id = ANY(CAST(:ids AS uuid[])) AND attempt.outcome = 'answered'
      AND comparison.id = attempt.comparison_id AND comparison.state IN ('pending', 'submitted', 'failed')
    """
)

# Only the newest attempt decides: an older one that fails late changes nothing.
SETTLE_FAILED = text(
    """
    UPDATE comparison SET state = 'failed', error_code = attempt.error_code
    FROM comparison_attempt AS attempt
    WHERE attempt.id = ANY(CAST(:ids AS uuid[])) AND attempt.outcome IN ('refused', 'withdrawn')
      AND comparison.id = attempt.comparison_id AND attempt.number = comparison.attempts
      AND comparison.state = 'submitted'
    """
)

# What was never acknowledged is sent again and does not expire, unless its batch has ended.
TAKE_OVERDUE = text(
    f"""
    SELECT attempt.id FROM comparison_attempt AS attempt
    JOIN comparison ON comparison.id = attempt.comparison_id
    WHERE attempt.outcome IS NULL AND attempt.deadline <= now()
      AND (attempt.request_id IS NOT NULL OR comparison.state = 'abandoned')
      AND {is_retryable_sql(EXPIRE, "attempt.id")}
    ORDER BY attempt.deadline LIMIT :limit
    """
)
NEXT_OVERDUE = text(
    "SELECT extract(epoch FROM min(deadline) - now()) FROM comparison_attempt"
    " WHERE outcome IS NULL AND deadline > now()"
)

REQUEST_IDS = text(
    "SELECT id, request_id FROM comparison_attempt WHERE id = ANY(CAST(:ids AS uuid[])) AND outcome IS NULL"
)

EXPIRE_ATTEMPTS = text(
    """
    WITH expired AS (
        UPDATE comparison_attempt SET
            outcome = 'expired', error_code = 'TIMEOUT', error_message = :message, ended_at = now(),
            withdrawn_at = CASE WHEN id = ANY(CAST(:lost AS uuid[])) THEN withdrawn_at ELSE now() END
        WHERE id = ANY(CAST(:ids AS uuid[])) AND outcome IS NULL
        RETURNING id, comparison_id, number
    )
    UPDATE comparison SET
        state = CASE WHEN expired.id = ANY(CAST(:lost AS uuid[])) AND comparison.attempts < :max_attempts
                     THEN 'pending' ELSE 'failed' END,
        error_code = 'TIMEOUT'
    FROM expired
    WHERE comparison.id = expired.comparison_id AND comparison.attempts = expired.number
      AND comparison.state = 'submitted'
    """
)

DUE_TO_WITHDRAW = text(
    f"""
    SELECT attempt.id FROM comparison_attempt AS attempt
    JOIN comparison ON comparison.id = attempt.comparison_id AND comparison.state = 'abandoned'
    WHERE attempt.outcome IS NULL AND attempt.request_id IS NOT NULL AND attempt.withdrawn_at IS NULL
      AND attempt.withdraw_not_before <= now() AND {is_retryable_sql(WITHDRAW, "attempt.id")}
    LIMIT :limit
    """
)
TAKE_WITHDRAWABLE = text(
    f"""
    UPDATE comparison_attempt SET withdraw_not_before = now() + CAST(:lease AS interval)
    WHERE id IN ({DUE_TO_WITHDRAW.text} FOR UPDATE OF attempt SKIP LOCKED)
    RETURNING id
    """
)

MARK_WITHDRAWN = text(
    "UPDATE comparison_attempt SET withdrawn_at = now() WHERE id = ANY(CAST(:ids AS uuid[]))"
)

# A judgement is billed whether its batch still needed it or not; so is a call that was in progress when it was
# withdrawn.
USAGE = text(
    """
    SELECT count(*) FILTER (WHERE outcome = 'answered' OR (outcome = 'withdrawn' AND cost_usd > 0)) AS billed,
           count(*) FILTER (WHERE outcome IS NULL) AS outstanding
    FROM comparison_attempt WHERE job_id = :job_id
    """
)

JOB_OF = text("SELECT job_id FROM comparison_attempt WHERE id = :id")
