"""Batches that can be ended without reading their request, withdrawn attempts, plain column names.

Going down drops what the older version has no place for: reported problems, and the times of consumption reports.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

RENAMED = (
    ("assessment_batch", "due_round", "awaited_round"),
    ("assessment_batch", "check_at", "next_check_at"),
    ("batch_essay", "batch", "job_id"),
    ("comparison", "batch", "job_id"),
    ("comparison", "assigned", "judge_index"),
    ("comparison_attempt", "batch", "job_id"),
    ("comparison_attempt", "comparison", "comparison_id"),
    ("comparison_attempt", "send_after", "send_not_before"),
    ("score_snapshot", "batch", "job_id"),
)
COMMENTS = (
    (
        "batch_essay",
        "item",
        "place in the batch, students first",
        "its number within the batch, students first",
    ),
    ("batch_essay", "signals", "why to look at it", "why a person should look at it"),
    (
        "comparison",
        "repetition",
        "how often this ordered pair was asked before",
        "how often this ordered pair was compared before",
    ),
    (
        "comparison",
        "judge_index",
        "place of its judge in the batch's panel",
        "its judge, as an index into the panel",
    ),
    (
        "comparison_attempt",
        "withdrawn_at",
        "taken back, because its batch is over",
        "the LLM Provider was told that it is not needed",
    ),
)
WIDENED = ("prompt_tokens", "completion_tokens", "response_time_ms")
OUTCOMES = "outcome IN ('answered', 'refused', 'expired'"


def upgrade() -> None:
    """Rename, add, and fill from the stored requests."""
    for table, old, new in RENAMED:
        op.alter_column(table, old, new_column_name=new)
    for table, name, old, new in COMMENTS:
        op.alter_column(table, name, comment=new, existing_comment=old)
    _upgrade_batches()
    op.execute("ALTER TABLE batch_essay ALTER COLUMN signals DROP DEFAULT")
    op.execute("ALTER TABLE batch_essay ALTER COLUMN signals TYPE text USING array_to_string(signals, ',')")
    op.execute("ALTER TABLE batch_essay ALTER COLUMN signals SET DEFAULT ''")
    op.drop_column("comparison", "not_before")
    for name in WIDENED:
        op.alter_column("comparison_attempt", name, type_=sa.BigInteger())
    op.add_column(
        "comparison_attempt",
        sa.Column(
            "withdraw_not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
    )
    op.drop_constraint("comparison_attempt_outcome", "comparison_attempt")
    op.create_check_constraint(
        "comparison_attempt_outcome", "comparison_attempt", sa.text(f"{OUTCOMES}, 'withdrawn')")
    )
    op.add_column(
        "comparison_attempt",
        sa.Column(
            "stops_batch",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="every comparison by this judge would fail",
        ),
    )
    op.create_index(
        "comparison_attempt_stopping",
        "comparison_attempt",
        ["job_id"],
        postgresql_where=sa.text("stops_batch"),
    )


def _upgrade_batches() -> None:
    op.add_column("assessment_batch", sa.Column("course_code", sa.Text(), nullable=True))
    op.add_column("assessment_batch", sa.Column("user_id", sa.Text(), nullable=True))
    op.add_column("assessment_batch", sa.Column("org_id", sa.Text(), nullable=True))
    op.add_column(
        "assessment_batch",
        sa.Column(
            "consumption_reported_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="once nothing is outstanding any more",
        ),
    )
    op.add_column(
        "assessment_batch",
        sa.Column(
            "consumption_reported",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="comparisons in the consumption events so far",
        ),
    )
    op.execute(
        "UPDATE assessment_batch SET course_code = coalesce(request->>'course_code', 'ENG5'),"
        " user_id = coalesce(request->>'user_id', ''), org_id = request->>'org_id',"
        " consumption_reported_at = ended_at, consumption_reported = CASE WHEN ended_at IS NULL THEN 0 ELSE"
        " (SELECT count(*) FROM comparison_attempt AS attempt"
        "  WHERE attempt.job_id = assessment_batch.id AND attempt.outcome = 'answered') END"
    )
    op.alter_column("assessment_batch", "course_code", nullable=False)
    op.alter_column("assessment_batch", "user_id", nullable=False, comment="who is billed")
    op.create_index(
        "assessment_batch_unreported",
        "assessment_batch",
        ["ended_at"],
        postgresql_where=sa.text("ended_at IS NOT NULL AND consumption_reported_at IS NULL"),
    )
    op.create_table(
        "batch_problem",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False, comment="what keeps the batch from going on"),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["assessment_batch.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id"),
    )


def downgrade() -> None:
    """Back to the names and types of before."""
    op.drop_table("batch_problem")
    op.drop_index("assessment_batch_unreported", "assessment_batch")
    op.drop_index("comparison_attempt_stopping", "comparison_attempt")
    op.drop_column("comparison_attempt", "stops_batch")
    for name in ("course_code", "user_id", "org_id", "consumption_reported_at", "consumption_reported"):
        op.drop_column("assessment_batch", name)
    op.execute("ALTER TABLE batch_essay ALTER COLUMN signals DROP DEFAULT")
    op.execute("ALTER TABLE batch_essay ALTER COLUMN signals TYPE text[] USING string_to_array(signals, ',')")
    op.execute("ALTER TABLE batch_essay ALTER COLUMN signals SET DEFAULT '{}'")
    op.add_column(
        "comparison",
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.execute("UPDATE comparison_attempt SET outcome = 'refused' WHERE outcome = 'withdrawn'")
    op.drop_constraint("comparison_attempt_outcome", "comparison_attempt")
    op.create_check_constraint("comparison_attempt_outcome", "comparison_attempt", sa.text(f"{OUTCOMES})"))
    op.drop_column("comparison_attempt", "withdraw_not_before")
    for name in WIDENED:
        op.alter_column("comparison_attempt", name, type_=sa.Integer())
    for table, name, old, new in COMMENTS:
        op.alter_column(table, name, comment=old, existing_comment=new)
    for table, old, new in RENAMED:
        op.alter_column(table, new, new_column_name=old)
