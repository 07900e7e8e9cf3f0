"""The statements that record many reports and plans at once, and those that read what is on record."""

from sqlalchemy import text

# The newest report wins, whatever the order of arrival; equal times are decided by the values, so that two
# replicas agree. DISTINCT ON, because one statement may not touch a row twice.
RECORD_PHASES = text(
    """
    INSERT INTO batch_phase AS known (batch_id, phase, stage, with_failures, essays, reported_at)
    SELECT DISTINCT ON (batch_id, phase) batch_id, phase, stage, with_failures, essays, reported_at
    FROM unnest(CAST(:batches AS text[]), CAST(:phases AS text[]), CAST(:stages AS text[]),
                CAST(:with_failures AS boolean[]), CAST(:essays AS int[]), CAST(:times AS timestamptz[]))
         AS report (batch_id, phase, stage, with_failures, essays, reported_at)
    ORDER BY batch_id, phase, reported_at DESC, stage DESC, with_failures DESC, coalesce(essays, -1) DESC
    ON CONFLICT (batch_id, phase) DO UPDATE
    SET stage = excluded.stage, with_failures = excluded.with_failures, essays = excluded.essays,
        reported_at = excluded.reported_at
    WHERE (known.reported_at, known.stage, known.with_failures, coalesce(known.essays, -1))
        < (excluded.reported_at, excluded.stage, excluded.with_failures, coalesce(excluded.essays, -1))
    """
)

RECORD_ESSAYS = text(
    """
    INSERT INTO phase_essay (batch_id, phase, essay_id, outcome, reported_at)
    SELECT DISTINCT ON (batch_id, phase, essay_id) batch_id, phase, essay_id, outcome, reported_at
    FROM unnest(CAST(:batches AS text[]), CAST(:phases AS text[]), CAST(:essays AS text[]),
                CAST(:outcomes AS text[]), CAST(:times AS timestamptz[]))
         AS report (batch_id, phase, essay_id, outcome, reported_at)
    ORDER BY batch_id, phase, essay_id, reported_at DESC, outcome DESC
    ON CONFLICT (batch_id, phase, essay_id) DO UPDATE
    SET outcome = excluded.outcome, reported_at = excluded.reported_at
    WHERE (phase_essay.reported_at, phase_essay.outcome) < (excluded.reported_at, excluded.outcome)
    """
)

SIZES = text("SELECT batch_id, essay_count FROM batch_size WHERE batch_id = ANY(CAST(:batches AS text[]))")

PHASES = text(
    """
    WITH reported AS (
        SELECT batch_id, phase, stage, with_failures, essays, reported_at
        FROM batch_phase WHERE batch_id = ANY(CAST(:batches AS text[]))
    ), essay AS (
        SELECT phase_essay.batch_id, phase_essay.phase, essay_id, outcome, phase_essay.reported_at,
               phase_essay.reported_at > coalesce(reported.reported_at, '-infinity') AS since
        FROM phase_essay LEFT JOIN reported USING (batch_id, phase)
        WHERE phase_essay.batch_id = ANY(CAST(:batches AS text[]))
    ), counted AS (
        SELECT batch_id, phase, max(reported_at) AS last_essay_at,
               count(*) FILTER (WHERE outcome = 'succeeded') AS succeeded,
               count(*) FILTER (WHERE outcome = 'failed') AS failed,
               count(*) FILTER (WHERE outcome = 'skipped') AS skipped,
               count(*) FILTER (WHERE since AND outcome = 'succeeded') AS succeeded_since,
               count(*) FILTER (WHERE since AND outcome = 'failed') AS failed_since,
               count(*) FILTER (WHERE since AND outcome = 'skipped') AS skipped_since,
               array_agg(essay_id ORDER BY essay_id) FILTER (WHERE outcome = 'failed') AS failed_ids,
               array_agg(essay_id ORDER BY essay_id) FILTER (WHERE outcome = 'skipped') AS skipped_ids
        FROM essay GROUP BY batch_id, phase
    )
    SELECT batch_id, phase, stage, with_failures, essays, reported_at, last_essay_at,
           coalesce(succeeded, 0) AS succeeded, coalesce(failed, 0) AS failed, coalesce(skipped, 0) AS skipped,
           coalesce(succeeded_since, 0) AS succeeded_since, coalesce(failed_since, 0) AS failed_since,
           coalesce(skipped_since, 0) AS skipped_since,
           failed_ids, skipped_ids
    FROM reported FULL JOIN counted USING (batch_id, phase)
    """
)

PLANNED = text(
    "SELECT DISTINCT unnest(phases) AS phase FROM pipeline_plan"
    " WHERE batch_id = :batch_id AND obstacles = '[]'"
)

# In the order of the ids: replicas that write concurrently wait for each other instead of deadlocking.
RECORD_SIZES = text(
    """
    INSERT INTO batch_size AS known (batch_id, essay_count)
    SELECT batch_id, essay_count
    FROM unnest(CAST(:batches AS text[]), CAST(:counts AS int[])) AS told (batch_id, essay_count)
    ORDER BY batch_id
    ON CONFLICT (batch_id) DO UPDATE SET essay_count = excluded.essay_count, told_at = now()
    WHERE known.essay_count <> excluded.essay_count
    """
)

ADD_PLANS = text(
    """
    INSERT INTO pipeline_plan
        (plan_id, batch_id, correlation_id, requested, batch_metadata, phases, skipped, obstacles)
    SELECT plan_id, batch_id, correlation_id, requested, CAST(batch_metadata AS jsonb),
           string_to_array(phases, ','), string_to_array(skipped, ','), CAST(obstacles AS jsonb)
    FROM unnest(CAST(:plan_ids AS uuid[]), CAST(:batches AS text[]), CAST(:correlations AS text[]),
                CAST(:requested AS text[]), CAST(:metadata AS text[]), CAST(:phases AS text[]),
                CAST(:skipped AS text[]), CAST(:obstacles AS text[])) WITH ORDINALITY
         AS plan (plan_id, batch_id, correlation_id, requested, batch_metadata, phases, skipped, obstacles, place)
    ORDER BY plan_id
    ON CONFLICT (plan_id) DO NOTHING
    """
)

FIRST_SKIPS = text(
    """
    INSERT INTO phase_skip (batch_id, correlation_id, phase)
    SELECT batch_id, correlation_id, phase
    FROM unnest(CAST(:batches AS text[]), CAST(:correlations AS uuid[]), CAST(:phases AS text[]))
         AS skip (batch_id, correlation_id, phase)
    ORDER BY batch_id, correlation_id, phase
    ON CONFLICT DO NOTHING
    RETURNING batch_id, correlation_id, phase
    """
)
