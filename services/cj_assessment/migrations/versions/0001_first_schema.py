"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "anchor_essay",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("assignment_id", sa.Text(), nullable=False),
        sa.Column("anchor_label", sa.Text(), nullable=False),
        sa.Column("grade_scale", sa.Text(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("text_storage_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("assignment_id", "grade_scale", "anchor_label", name="anchor_essay_label"),
    )
    op.create_table(
        "assessment_batch",
        sa.Column("id", sa.Uuid(), nullable=False, comment="cj_assessment_job_id"),
        sa.Column("batch_id", sa.Text(), nullable=False, comment="the platform's batch id"),
        sa.Column("request_sha256", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.Column(
            "request",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the event's data, as received",
        ),
        sa.Column("max_comparisons", sa.Integer(), nullable=True),
        sa.Column("max_cost_usd", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("target_reliability", sa.Double(), nullable=False),
        sa.Column("callback_url", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("assignment_id", sa.Text(), nullable=True),
        sa.Column("grade_scale", sa.Text(), nullable=True),
        sa.Column(
            "seed",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="of the choice of pairs",
        ),
        sa.Column(
            "judges",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="provider, model, share, expected and highest cost",
        ),
        sa.Column("instructions", sa.Text(), nullable=True),
        sa.Column("rubric", sa.Text(), nullable=True),
        sa.Column("student_prompt", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_round", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_round", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("check_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "result",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="the published AssessmentResultV1",
        ),
        sa.CheckConstraint(
            "state IN ('accepted', 'judging', 'completed', 'completed_with_failures', 'failed', 'cancelled')",
            name="assessment_batch_state",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("batch_id"),
    )
    op.create_index(
        "assessment_batch_open",
        "assessment_batch",
        ["check_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "assessment_instruction",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("assignment_id", sa.Text(), nullable=True),
        sa.Column("course_id", sa.Text(), nullable=True),
        sa.Column("instructions_text", sa.Text(), nullable=False),
        sa.Column("grade_scale", sa.Text(), nullable=False),
        sa.Column("context_origin", sa.Text(), nullable=False),
        sa.Column("student_prompt_storage_id", sa.Text(), nullable=True),
        sa.Column("judge_rubric_storage_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(assignment_id IS NULL) <> (course_id IS NULL)", name="assessment_instruction_one_owner"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("assignment_id"),
        sa.UniqueConstraint("course_id"),
    )
    op.create_table(
        "content",
        sa.Column("storage_id", sa.Text(), nullable=False, comment="SHA-256 of the bytes, hex"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("storage_id"),
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "event_id"),
    )
    op.create_index("inbox_received", "inbox", ["received_at"], unique=False, postgresql_using="brin")
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "headers", sa.Text(), nullable=False, comment="JSON: names and values, bytes read as Latin-1"
        ),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "outbox_due",
        "outbox",
        ["not_before"],
        unique=False,
        postgresql_where=sa.text("given_up_at IS NULL AND transport = 'http'"),
    )
    op.create_index(
        "outbox_given_up",
        "outbox",
        ["given_up_at"],
        unique=False,
        postgresql_where=sa.text("given_up_at IS NOT NULL"),
    )
    op.create_index(
        "outbox_held_up",
        "outbox",
        ["id"],
        unique=False,
        postgresql_where=sa.text("given_up_at IS NULL AND transport = 'bus' AND attempts > 0"),
    )
    op.create_index(
        "outbox_unsent",
        "outbox",
        ["id"],
        unique=False,
        postgresql_where=sa.text("given_up_at IS NULL AND transport = 'bus'"),
    )
    op.create_table(
        "batch_essay",
        sa.Column("batch", sa.Uuid(), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False, comment="place in the batch, students first"),
        sa.Column("essay_id", sa.Text(), nullable=False),
        sa.Column("text_storage_id", sa.Text(), nullable=False),
        sa.Column("anchor_grade", sa.Text(), nullable=True, comment="null for a student's essay"),
        sa.Column("body", sa.Text(), nullable=True, comment="null until fetched, or when there is none"),
        sa.Column("problem", sa.Text(), nullable=True, comment="why the essay cannot be judged"),
        sa.Column(
            "signals", sa.ARRAY(sa.Text()), server_default="{}", nullable=False, comment="why to look at it"
        ),
        sa.Column("hidden_characters", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["batch"], ["assessment_batch.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("batch", "item"),
        sa.UniqueConstraint("batch", "essay_id", name="batch_essay_id"),
    )
    op.create_table(
        "score_snapshot",
        sa.Column("batch", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("comparisons", sa.Integer(), nullable=False),
        sa.Column("theta", sa.ARRAY(sa.Double()), nullable=False),
        sa.Column("standard_error", sa.ARRAY(sa.Double()), nullable=False),
        sa.Column("tau", sa.Double(), nullable=False),
        sa.Column("eb_reliability", sa.Double(), nullable=False),
        sa.Column("ssr", sa.Double(), nullable=True, comment="null where the classical fit does not settle"),
        sa.Column("ssr_prime", sa.Double(), nullable=True),
        sa.Column("position_bias", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("gates", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "forecast",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="what further judging would bring; null when judging is over",
        ),
        sa.Column("decision", sa.Text(), nullable=False, comment="judge_more or the stop reason"),
        sa.ForeignKeyConstraint(["batch"], ["assessment_batch.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("batch", "number"),
    )
    op.create_table(
        "comparison",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("batch", sa.Uuid(), nullable=False, comment="held by the keys of its essays"),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("slot_a", sa.Integer(), nullable=False),
        sa.Column("slot_b", sa.Integer(), nullable=False),
        sa.Column(
            "repetition", sa.Integer(), nullable=False, comment="how often this ordered pair was asked before"
        ),
        sa.Column("chosen_by", sa.Text(), nullable=False, comment="why the pair was chosen"),
        sa.Column(
            "assigned", sa.SmallInteger(), nullable=False, comment="place of its judge in the batch's panel"
        ),
        sa.Column(
            "cap_usd",
            sa.Numeric(precision=18, scale=9),
            nullable=False,
            comment="what its judgement may cost at most",
        ),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("a_won", sa.Boolean(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("judge", sa.Text(), nullable=True, comment="provider/model that answered"),
        sa.Column("error_code", sa.Text(), nullable=True, comment="why it failed"),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'judged') = (a_won IS NOT NULL)", name="comparison_judged_has_winner"),
        sa.CheckConstraint(
            "state IN ('pending', 'submitted', 'judged', 'failed', 'abandoned')", name="comparison_state"
        ),
        sa.CheckConstraint("slot_a <> slot_b", name="comparison_two_essays"),
        sa.ForeignKeyConstraint(
            ["batch", "slot_a"], ["batch_essay.batch", "batch_essay.item"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["batch", "slot_b"], ["batch_essay.batch", "batch_essay.item"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("batch", "slot_a", "slot_b", "repetition", name="comparison_once"),
    )
    op.create_index(
        "comparison_open",
        "comparison",
        ["batch", "round"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'submitted')"),
    )
    op.create_index(
        "comparison_pending",
        "comparison",
        ["batch", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "comparison_attempt",
        sa.Column("id", sa.Uuid(), nullable=False, comment="idempotency key at the LLM Provider"),
        sa.Column("comparison", sa.BigInteger(), nullable=False),
        sa.Column("batch", sa.Uuid(), nullable=False, comment="its comparison's"),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column(
            "request_id", sa.Text(), nullable=True, comment="the LLM Provider's queue id, once accepted"
        ),
        sa.Column("send_after", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True),
        sa.Column("completion_tokens", sa.Integer(), nullable=True),
        sa.Column("reserved_usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), server_default=sa.text("0"), nullable=False),
        sa.Column("price_known", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("response_time_ms", sa.Integer(), nullable=True),
        sa.Column("prompt_sha256", sa.Text(), nullable=True),
        sa.Column("winner", sa.Text(), nullable=True),
        sa.Column("justification", sa.Text(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "withdrawn_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="taken back, because its batch is over",
        ),
        sa.CheckConstraint(
            "outcome IN ('answered', 'refused', 'expired')", name="comparison_attempt_outcome"
        ),
        sa.ForeignKeyConstraint(["comparison"], ["comparison.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("comparison", "number", name="comparison_attempt_number"),
    )
    op.create_index("comparison_attempt_of_batch", "comparison_attempt", ["batch"], unique=False)
    op.create_index(
        "comparison_attempt_overdue",
        "comparison_attempt",
        ["deadline"],
        unique=False,
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_index(
        "comparison_attempt_unsent",
        "comparison_attempt",
        ["send_after"],
        unique=False,
        postgresql_where=sa.text("outcome IS NULL AND request_id IS NULL"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("comparison_attempt")
    op.drop_table("comparison")
    op.drop_table("score_snapshot")
    op.drop_table("batch_essay")
    op.drop_table("outbox")
    op.drop_table("inbox")
    op.drop_table("content")
    op.drop_table("assessment_instruction")
    op.drop_table("assessment_batch")
    op.drop_table("anchor_essay")
