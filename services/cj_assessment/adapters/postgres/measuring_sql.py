"""What is measured for operators: open batches, and those that have ended within a day."""

from sqlalchemy import Double, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

OPEN_BATCHES = text(
    """
    SELECT state, count(*) AS batches, count(*) FILTER (WHERE deadline < now()) AS overdue,
           extract(epoch FROM now() - min(received_at)) AS oldest_seconds
    FROM assessment_batch WHERE ended_at IS NULL GROUP BY state
    """
)
PROBLEMS = text("SELECT error_code, count(*) AS batches FROM batch_problem GROUP BY error_code")
OPEN_COMPARISONS = text(
    """
    SELECT comparison.state, count(*) AS comparisons
    FROM assessment_batch AS batch JOIN comparison ON comparison.job_id = batch.id
    WHERE batch.ended_at IS NULL GROUP BY comparison.state
    """
)
ENDED = text(
    """
    SELECT state, stop_reason, count(*) AS batches FROM assessment_batch
    WHERE ended_at > now() - interval '1 day' GROUP BY state, stop_reason
    """
)
_LAST_SCORES = """
    SELECT last.* FROM assessment_batch AS batch CROSS JOIN LATERAL (
        SELECT eb_reliability, position_bias FROM score_snapshot AS score
        WHERE score.job_id = batch.id AND score.decision <> 'judge_more'
        ORDER BY number DESC LIMIT 1
    ) AS last WHERE batch.ended_at > now() - interval '1 day'
"""
RELIABILITY = text(
    f"""
    SELECT percentile_cont(:quantiles) WITHIN GROUP (ORDER BY eb_reliability) FROM ({_LAST_SCORES}) AS scores
    """
).bindparams(bindparam("quantiles", type_=ARRAY(Double)))
POSITION_EFFECTS = text(
    f"""
    SELECT judge.key AS judge,
           sum(CAST(judge.value ->> 'b' AS double precision) * CAST(judge.value ->> 'comparisons' AS integer))
             / sum(CAST(judge.value ->> 'comparisons' AS integer)) AS effect
    FROM ({_LAST_SCORES}) AS scores CROSS JOIN LATERAL jsonb_each(position_bias) AS judge
    WHERE CAST(judge.value ->> 'comparisons' AS integer) > 0
    GROUP BY judge.key
    """
)
