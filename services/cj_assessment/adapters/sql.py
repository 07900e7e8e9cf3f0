"""The statements that do the service's work on many rows at once; the plans of the hot ones are guarded by tests."""

from sqlalchemy import Double, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

TAKE_ACCEPTED = text(
    """
    UPDATE assessment_batch SET check_at = now() + CAST(:lease AS interval)
    WHERE id IN (
        SELECT id FROM assessment_batch
        WHERE ended_at IS NULL AND state = 'accepted' AND check_at <= now()
        ORDER BY check_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    RETURNING *, request::text AS request_text
    """
)

# A batch is due when the rounds that it waits for have no open comparison: nobody has to tell it.
DUE_BATCHES = text(
    """
    SELECT id FROM assessment_batch AS batch
    WHERE ended_at IS NULL AND state = 'judging'
      AND (check_at <= now() OR NOT EXISTS (
        SELECT 1 FROM comparison
        WHERE comparison.batch = batch.id AND comparison.round <= batch.due_round
          AND comparison.state IN ('pending', 'submitted')
      ))
    ORDER BY check_at LIMIT :limit
    """
)

# What an expired attempt cost is not known until its answer comes: its money stays set aside.
SPENDING = text(
    """
    SELECT coalesce(sum(cost_usd), 0) AS cost,
           coalesce(sum(reserved_usd) FILTER (WHERE outcome IS NULL OR outcome = 'expired'), 0) AS reserved,
           (SELECT coalesce(sum(cap_usd), 0) FROM comparison WHERE batch = :job AND state = 'pending') AS pending,
           count(*) FILTER (WHERE outcome IS NULL) AS outstanding,
           count(*) FILTER (WHERE outcome = 'answered') AS answered
    FROM comparison_attempt WHERE batch = :job
    """
)

PROGRESS = text(
    """
    SELECT count(*) FILTER (WHERE state = 'pending') AS pending,
           count(*) FILTER (WHERE state = 'submitted') AS submitted,
           count(*) FILTER (WHERE state = 'judged') AS judged,
           count(*) FILTER (WHERE state = 'failed') AS failed,
           count(*) FILTER (WHERE state = 'abandoned') AS abandoned,
           max(judged_at) AS last_judged_at, paid.cost, paid.prices_known
    FROM comparison,
         (SELECT coalesce(sum(cost_usd), 0) AS cost, coalesce(bool_and(price_known), true) AS prices_known
          FROM comparison_attempt WHERE batch = :job) AS paid
    WHERE comparison.batch = :job
    GROUP BY paid.cost, paid.prices_known
    """
)

# Many rows travel as one array a column: one statement, whose text is the same however many there are. Essays are
# put once when a batch is accepted, and once more with what its preparation has found.
PUT_ESSAYS = text(
    """
    INSERT INTO batch_essay (batch, item, essay_id, text_storage_id, anchor_grade, body, problem, signals,
                             hidden_characters)
    SELECT CAST(:batch AS uuid), item, essay_id, text_storage_id, anchor_grade, body, problem,
           string_to_array(signals, ','), hidden_characters
    FROM unnest(CAST(:items AS int[]), CAST(:essay_ids AS text[]), CAST(:text_storage_ids AS text[]),
                CAST(:anchor_grades AS text[]), CAST(:bodies AS text[]), CAST(:problems AS text[]),
                CAST(:signals AS text[]), CAST(:hidden_characters AS int[]))
         AS essay (item, essay_id, text_storage_id, anchor_grade, body, problem, signals, hidden_characters)
    ON CONFLICT (batch, item) DO UPDATE SET
        anchor_grade = excluded.anchor_grade, body = excluded.body, problem = excluded.problem,
        signals = excluded.signals, hidden_characters = excluded.hidden_characters
    """
)

ADD_ROUND = text(
    """
    INSERT INTO comparison (batch, round, slot_a, slot_b, repetition, chosen_by, assigned, cap_usd)
    SELECT CAST(:job AS uuid), CAST(:round AS int), slot_a, slot_b, repetition, chosen_by, assigned, cap
    FROM unnest(CAST(:slots_a AS int[]), CAST(:slots_b AS int[]), CAST(:repetitions AS int[]),
                CAST(:reasons AS text[]), CAST(:assigned AS smallint[]), CAST(:caps AS numeric[]))
         WITH ORDINALITY AS pair (slot_a, slot_b, repetition, chosen_by, assigned, cap, place)
    ORDER BY place
    """
)

ADD_SCORE = text(
    """
    INSERT INTO score_snapshot (batch, number, comparisons, theta, standard_error, tau, eb_reliability, ssr,
                                ssr_prime, position_bias, gates, forecast, decision)
    SELECT :batch, coalesce(max(number), 0) + 1, :comparisons, :theta, :standard_error, :tau, :eb, :ssr,
           :ssr_prime, CAST(:position_bias AS jsonb), CAST(:gates AS jsonb), CAST(:forecast AS jsonb), :decision
    FROM score_snapshot WHERE batch = :batch
    """
).bindparams(bindparam("theta", type_=ARRAY(Double)), bindparam("standard_error", type_=ARRAY(Double)))

ABANDON = text(
    "UPDATE comparison SET state = 'abandoned' WHERE batch = :job AND state IN ('pending', 'submitted')"
)

COMPARISONS_PAGE = text(
    """
    SELECT comparison.id, comparison.round, comparison.state, comparison.a_won, comparison.attempts,
           comparison.judged_at, a.essay_id AS essay_a_id, b.essay_id AS essay_b_id,
           last.justification, last.confidence, last.provider, last.model, last.prompt_sha256,
           last.error_code,
           (SELECT sum(cost_usd) FROM comparison_attempt WHERE comparison = comparison.id) AS cost
    FROM comparison
    JOIN batch_essay AS a ON a.batch = comparison.batch AND a.item = comparison.slot_a
    JOIN batch_essay AS b ON b.batch = comparison.batch AND b.item = comparison.slot_b
    LEFT JOIN LATERAL (
        SELECT * FROM comparison_attempt AS attempt WHERE attempt.comparison = comparison.id
        ORDER BY outcome = 'answered' DESC NULLS LAST, number DESC LIMIT 1
    ) AS last ON true
    WHERE comparison.batch = :job AND comparison.id > :after
    ORDER BY comparison.id LIMIT :limit
    """
)

# Money is given out by one replica at a time for each batch that has a cap. The lock is taken in a statement of its
# own, so that the next one sees what the replica before has committed.
HOLD_CAPPED = text(
    """
    SELECT id FROM assessment_batch
    WHERE ended_at IS NULL AND state = 'judging' AND max_cost_usd IS NOT NULL
      AND pg_try_advisory_xact_lock(hashtextextended(id::text, 0))
    """
)

# Batches take turns: the k-th waiting comparison of every batch comes before the (k+1)-th of any. Of a batch with a
# cap only as many are taken as the money that is neither spent nor set aside pays for, at their highest cost.
TAKE_PENDING = text(
    """
    WITH lively AS MATERIALIZED (
        SELECT batch.id, CASE WHEN batch.max_cost_usd IS NOT NULL THEN batch.max_cost_usd - (
            SELECT coalesce(sum(cost_usd), 0) + coalesce(
                sum(reserved_usd) FILTER (WHERE outcome IS NULL OR outcome = 'expired'), 0)
            FROM comparison_attempt WHERE comparison_attempt.batch = batch.id
        ) END AS money
        FROM assessment_batch AS batch
        WHERE batch.ended_at IS NULL AND batch.state = 'judging'
          AND (batch.max_cost_usd IS NULL OR batch.id = ANY(CAST(:held AS uuid[])))
    ), waiting AS (
        SELECT next.id, next.turn
        FROM lively CROSS JOIN LATERAL (
            SELECT id, row_number() OVER (ORDER BY id) AS turn, sum(cap_usd) OVER (ORDER BY id) AS cost
            FROM (
                SELECT id, cap_usd FROM comparison
                WHERE comparison.batch = lively.id AND state = 'pending' AND not_before <= now()
                ORDER BY id LIMIT :limit
            ) AS first
        ) AS next
        WHERE lively.money IS NULL OR next.cost <= lively.money
    ), chosen AS (
        SELECT comparison.id FROM comparison JOIN waiting USING (id)
        WHERE comparison.state = 'pending'
        ORDER BY turn, comparison.id LIMIT :limit FOR UPDATE OF comparison SKIP LOCKED
    )
    UPDATE comparison SET state = 'submitted', attempts = attempts + 1
    FROM chosen WHERE comparison.id = chosen.id
    RETURNING comparison.id, comparison.batch, comparison.attempts, comparison.cap_usd
    """
)

# A new attempt is sent by whoever starts it: nobody else looks at it before the lease is over.
START_ATTEMPTS = text(
    """
    WITH started AS (
        INSERT INTO comparison_attempt (id, comparison, batch, number, reserved_usd, send_after, deadline)
        SELECT id, comparison, batch, number, reserved, now() + CAST(:lease AS interval),
               now() + CAST(:within AS interval)
        FROM unnest(CAST(:ids AS uuid[]), CAST(:comparisons AS bigint[]), CAST(:batches AS uuid[]),
                    CAST(:numbers AS int[]), CAST(:reserves AS numeric[]))
             AS attempt (id, comparison, batch, number, reserved)
        RETURNING id, comparison
    )
    SELECT started.id, batch.id AS job_id, batch.batch_id, comparison.slot_a, comparison.slot_b,
           comparison.repetition, comparison.assigned
    FROM started JOIN comparison ON comparison.id = started.comparison
    JOIN assessment_batch AS batch ON batch.id = comparison.batch
    ORDER BY comparison.id
    """
)

TAKE_UNSENT = text(
    """
    WITH chosen AS (
        SELECT attempt.id FROM comparison_attempt AS attempt
        JOIN comparison ON comparison.id = attempt.comparison AND comparison.state = 'submitted'
        WHERE attempt.outcome IS NULL AND attempt.request_id IS NULL AND attempt.send_after <= now()
        ORDER BY attempt.send_after LIMIT :limit FOR UPDATE OF attempt SKIP LOCKED
    ), taken AS (
        UPDATE comparison_attempt SET send_after = now() + CAST(:lease AS interval)
        FROM chosen WHERE comparison_attempt.id = chosen.id
        RETURNING comparison_attempt.id, comparison_attempt.comparison
    )
    SELECT taken.id, batch.id AS job_id, batch.batch_id, comparison.slot_a, comparison.slot_b,
           comparison.repetition, comparison.assigned
    FROM taken JOIN comparison ON comparison.id = taken.comparison
    JOIN assessment_batch AS batch ON batch.id = comparison.batch
    ORDER BY comparison.id
    """
)

MARK_SENT = text(
    """
    UPDATE comparison_attempt SET request_id = sent.request_id
    FROM unnest(CAST(:ids AS uuid[]), CAST(:request_ids AS text[])) AS sent (id, request_id)
    WHERE comparison_attempt.id = sent.id
    """
)

MARK_REFUSED = text(
    """
    WITH refused AS (
        UPDATE comparison_attempt
        SET outcome = 'refused', error_code = said.code, error_message = said.message, ended_at = now()
        FROM unnest(CAST(:ids AS uuid[]), CAST(:codes AS text[]), CAST(:messages AS text[]))
             AS said (id, code, message)
        WHERE comparison_attempt.id = said.id AND comparison_attempt.outcome IS NULL
        RETURNING comparison, error_code
    )
    UPDATE comparison SET state = 'failed', error_code = refused.error_code
    FROM refused WHERE comparison.id = refused.comparison AND comparison.state = 'submitted'
    """
)

# An expired attempt may still be answered: it was paid for, and a late vote is a vote.
RECORD_ANSWERS = text(
    """
    WITH answer AS (
        SELECT * FROM unnest(
            CAST(:ids AS uuid[]), CAST(:winners AS text[]), CAST(:justifications AS text[]),
            CAST(:confidences AS float8[]), CAST(:error_codes AS text[]), CAST(:error_messages AS text[]),
            CAST(:providers AS text[]), CAST(:models AS text[]), CAST(:prompt_tokens AS int[]),
            CAST(:completion_tokens AS int[]), CAST(:costs AS numeric[]), CAST(:prices_known AS bool[]),
            CAST(:times AS int[]), CAST(:prompts AS text[]), CAST(:ended AS timestamptz[])
        ) AS answer (id, winner, justification, confidence, error_code, error_message, provider, model,
                     prompt_tokens, completion_tokens, cost, price_known, time, prompt, ended)
    ), recorded AS (
        UPDATE comparison_attempt AS attempt SET
            outcome = CASE WHEN answer.winner IS NULL THEN 'refused' ELSE 'answered' END,
            winner = answer.winner, justification = answer.justification, confidence = answer.confidence,
            error_code = answer.error_code, error_message = answer.error_message,
            provider = answer.provider, model = answer.model,
            prompt_tokens = answer.prompt_tokens, completion_tokens = answer.completion_tokens,
            cost_usd = answer.cost, price_known = answer.price_known, response_time_ms = answer.time,
            prompt_sha256 = answer.prompt, ended_at = answer.ended
        FROM answer
        WHERE attempt.id = answer.id AND (attempt.outcome IS NULL OR attempt.outcome = 'expired')
        RETURNING attempt.id
    )
    SELECT answer.id, attempt.id IS NOT NULL AS known, recorded.id IS NOT NULL AS recorded,
           coalesce(comparison.state = 'abandoned', false) AS late
    FROM answer
    LEFT JOIN recorded ON recorded.id = answer.id
    LEFT JOIN comparison_attempt AS attempt ON attempt.id = answer.id
    LEFT JOIN comparison ON comparison.id = attempt.comparison
    """
)

SETTLE_JUDGED = text(
    """
    UPDATE comparison SET
        state = 'judged', a_won = (attempt.winner = 'Essay A'), confidence = attempt.confidence,
        judge = attempt.provider || '/' || attempt.model, judged_at = attempt.ended_at, error_code = NULL
    FROM comparison_attempt AS attempt
    WHERE attempt.id = ANY(CAST(:ids AS uuid[])) AND attempt.outcome = 'answered'
      AND comparison.id = attempt.comparison AND comparison.state IN ('pending', 'submitted', 'failed')
    """
)

# Only the newest attempt decides: an older one that fails late changes nothing.
SETTLE_UNANSWERED = text(
    """
    UPDATE comparison SET
        state = CASE WHEN comparison.attempts < :max_attempts AND attempt.error_code = ANY(CAST(:retryable AS text[]))
                     THEN 'pending' ELSE 'failed' END,
        error_code = attempt.error_code,
        not_before = now() + CAST(:pause AS interval) * power(2, comparison.attempts - 1) * (0.5 + random())
    FROM comparison_attempt AS attempt
    WHERE attempt.id = ANY(CAST(:ids AS uuid[])) AND attempt.outcome IN ('refused', 'expired')
      AND comparison.id = attempt.comparison AND attempt.number = comparison.attempts
      AND comparison.state = 'submitted'
    """
)

EXPIRE_ATTEMPTS = text(
    """
    UPDATE comparison_attempt SET outcome = 'expired', error_code = 'TIMEOUT', ended_at = now()
    WHERE id IN (
        SELECT id FROM comparison_attempt WHERE outcome IS NULL AND deadline <= now()
        ORDER BY deadline LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    RETURNING id
    """
)

TAKE_WITHDRAWN = text(
    """
    SELECT attempt.id, attempt.request_id FROM comparison_attempt AS attempt
    JOIN comparison ON comparison.id = attempt.comparison AND comparison.state = 'abandoned'
    WHERE attempt.outcome IS NULL AND attempt.request_id IS NOT NULL AND attempt.withdrawn_at IS NULL
    LIMIT :limit FOR UPDATE OF attempt SKIP LOCKED
    """
)

MARK_WITHDRAWN = text(
    "UPDATE comparison_attempt SET withdrawn_at = now() WHERE id = ANY(CAST(:ids AS uuid[]))"
)
