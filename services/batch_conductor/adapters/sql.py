"""The statements that record many reports at once, and the one that counts them."""

from sqlalchemy import text

# The newest report wins, whatever the order of arrival; equal times are decided by the values, so that two
# replicas agree. DISTINCT ON, because one statement may not touch a row twice.
RECORD_PHASES = text(
    """
    INSERT INTO batch_phase (batch_id, phase, stage, essays, reported_at)
    SELECT DISTINCT ON (batch_id, phase) batch_id, phase, stage, essays, reported_at
    FROM unnest(CAST(:batches AS text[]), CAST(:phases AS text[]), CAST(:stages AS text[]),
                CAST(:essays AS int[]), CAST(:times AS timestamptz[]))
         AS report (batch_id, phase, stage, essays, reported_at)
    ORDER BY batch_id, phase, reported_at DESC, stage DESC, essays DESC
    ON CONFLICT (batch_id, phase) DO UPDATE
    SET stage = excluded.stage, essays = excluded.essays, reported_at = excluded.reported_at
    WHERE (batch_phase.reported_at, batch_phase.stage, batch_phase.essays)
        < (excluded.reported_at, excluded.stage, excluded.essays)
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

PHASES = text(
    """
    WITH planned AS (
        SELECT DISTINCT unnest(phases) AS phase FROM pipeline_plan
        WHERE batch_id = :batch_id AND obstacles = '[]'
    ), counted AS (
        SELECT phase, max(reported_at) AS reported_at, count(*) AS essays,
               count(*) FILTER (WHERE outcome = 'succeeded') AS succeeded,
               count(*) FILTER (WHERE outcome = 'failed') AS failed,
               count(*) FILTER (WHERE outcome = 'skipped') AS skipped
        FROM phase_essay WHERE batch_id = :batch_id GROUP BY phase
    ), reported AS (
        SELECT phase, stage, essays, reported_at FROM batch_phase WHERE batch_id = :batch_id
    )
    SELECT phase,
           CASE WHEN stage IS NOT NULL THEN stage
                WHEN counted.essays > 0 THEN 'processing' ELSE 'pending' END AS stage,
           CASE WHEN stage IS NOT NULL THEN greatest(reported.essays, counted.essays) END AS expected,
           coalesce(succeeded, 0) AS succeeded, coalesce(failed, 0) AS failed, coalesce(skipped, 0) AS skipped,
           greatest(reported.reported_at, counted.reported_at) AS reported_at
    FROM planned FULL JOIN reported USING (phase) FULL JOIN counted USING (phase)
    """
)
