"""The statements that delete prompts and answers: when their time is over, or when they are to be forgotten."""

from typing import Final

from sqlalchemy import text

# What remains says which request it was, what it cost and which essay won. A winner needs a justification on the wire:
# it becomes an empty one.
_EMPTY: Final = """
    system_prompt = NULL, prompt_blocks = NULL, last_error_message = NULL, is_erased = true,
    metadata = jsonb_strip_nulls(jsonb_build_object(
        'essay_a_id', metadata -> 'essay_a_id', 'essay_b_id', metadata -> 'essay_b_id',
        'bos_batch_id', metadata -> 'bos_batch_id', 'attempt_id', metadata -> 'attempt_id',
        'repetition', metadata -> 'repetition')),
    result = CAST(
        CAST(result AS jsonb)
        || CASE WHEN CAST(result AS jsonb) ->> 'justification' IS NOT NULL
                THEN jsonb_build_object('justification', '') ELSE jsonb_build_object() END
        || CASE WHEN jsonb_typeof(CAST(result AS jsonb) -> 'error_detail') = 'object'
                THEN jsonb_build_object('error_detail', (CAST(result AS jsonb) -> 'error_detail')
                     || jsonb_build_object('message', 'erased', 'details', jsonb_build_object()))
                ELSE jsonb_build_object() END
        || jsonb_build_object('request_metadata', jsonb_strip_nulls(jsonb_build_object(
            'prompt_sha256', CAST(result AS jsonb) #> '{request_metadata,prompt_sha256}',
            'resolved_provider', CAST(result AS jsonb) #> '{request_metadata,resolved_provider}',
            'resolved_model', CAST(result AS jsonb) #> '{request_metadata,resolved_model}')))
        AS text)
"""

DELETE_OLD_PROMPTS = text(
    """
    UPDATE judge_request SET system_prompt = NULL, prompt_blocks = NULL
    WHERE id IN (
        SELECT id FROM judge_request
        WHERE ended_at < now() - CAST(:age AS interval) AND ended_at IS NOT NULL AND prompt_blocks IS NOT NULL
        ORDER BY ended_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    """
)
ERASE_OLD_ANSWERS = text(
    f"""
    UPDATE judge_request SET {_EMPTY}
    WHERE id IN (
        SELECT id FROM judge_request
        WHERE ended_at < now() - CAST(:age AS interval) AND ended_at IS NOT NULL AND NOT is_erased
        ORDER BY ended_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    """
)
DELETE_OLD_REQUESTS = text(
    """
    DELETE FROM judge_request WHERE id = ANY(ARRAY(
        SELECT id FROM judge_request
        WHERE ended_at < now() - CAST(:age AS interval) AND ended_at IS NOT NULL LIMIT :limit))
    """
)
DELETE_OLD_JOBS = text(
    """
    DELETE FROM batch_job WHERE id = ANY(ARRAY(
        SELECT id FROM batch_job AS job WHERE ended_at < now() - CAST(:age AS interval)
           AND NOT EXISTS (SELECT 1 FROM judge_request WHERE judge_request.batch_job_id = job.id) LIMIT :limit))
    """
)

OPEN_OF_BATCH = text(
    "SELECT id FROM judge_request WHERE batch_id = :batch_id AND ended_at IS NULL ORDER BY seq LIMIT :limit"
)
COUNT_OPEN = text("SELECT count(*) FROM judge_request WHERE batch_id = :batch_id AND ended_at IS NULL")
ERASE_ENDED = text(
    f"""
    UPDATE judge_request SET {_EMPTY}
    WHERE id IN (
        SELECT id FROM judge_request WHERE batch_id = :batch_id AND ended_at IS NOT NULL AND NOT is_erased
        ORDER BY seq LIMIT :limit FOR UPDATE)
    """
)
COUNT_ERASED = text("SELECT count(*) FROM judge_request WHERE batch_id = :batch_id AND is_erased")
DELETE_FAILURES = text(
    """
    DELETE FROM failed_item
    WHERE item IN (SELECT CAST(id AS text) FROM judge_request WHERE batch_id = :batch_id)
    """
)
# Callbacks carry justifications. Those that wait to be sent say what was paid: they leave first.
_MESSAGES: Final = """
    outbox WHERE (key = :batch_id OR (transport = 'http' AND position(convert_to(:quoted, 'UTF8') IN value) > 0))
"""
DELETE_MESSAGES = text(f"DELETE FROM {_MESSAGES} AND given_up_at IS NOT NULL")
COUNT_WAITING = text(f"SELECT count(*) FROM {_MESSAGES} AND given_up_at IS NULL")
DELETE_ENDED = text(
    """
    DELETE FROM judge_request WHERE id = ANY(ARRAY(
        SELECT id FROM judge_request WHERE batch_id = :batch_id AND ended_at IS NOT NULL LIMIT :limit))
    """
)
# The sums by day, provider and model stay what they were, under no batch and no user.
ANONYMISE_SPENDING = text(
    """
    WITH gone AS (DELETE FROM spending WHERE batch_id = :batch_id RETURNING *)
    INSERT INTO spending AS kept (day, provider, model, user_id, batch_id, calls, answered, unpriced_calls,
                                  input_tokens, output_tokens, cost_usd)
    SELECT day, provider, model, '', '', sum(calls), sum(answered), sum(unpriced_calls), sum(input_tokens),
           sum(output_tokens), sum(cost_usd)
    FROM gone GROUP BY day, provider, model
    ON CONFLICT (day, provider, model, user_id, batch_id) DO UPDATE SET
        calls = kept.calls + excluded.calls, answered = kept.answered + excluded.answered,
        unpriced_calls = kept.unpriced_calls + excluded.unpriced_calls,
        input_tokens = kept.input_tokens + excluded.input_tokens,
        output_tokens = kept.output_tokens + excluded.output_tokens, cost_usd = kept.cost_usd + excluded.cost_usd
    """
)
