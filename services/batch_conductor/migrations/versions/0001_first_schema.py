"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "batch_phase",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("essays", sa.Integer(), nullable=False, comment="how many the newest report speaks of"),
        sa.Column(
            "reported_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when it happened, by its sender",
        ),
        sa.CheckConstraint(
            "stage IN ('processing', 'completed', 'failed', 'cancelled')", name="batch_phase_stage"
        ),
        sa.PrimaryKeyConstraint("batch_id", "phase"),
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
        "phase_essay",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("essay_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column(
            "reported_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when it happened, by its sender",
        ),
        sa.CheckConstraint("outcome IN ('succeeded', 'failed', 'skipped')", name="phase_essay_outcome"),
        sa.PrimaryKeyConstraint("batch_id", "phase", "essay_id"),
    )
    op.create_table(
        "phase_skip",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column(
            "announced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("batch_id", "correlation_id", "phase"),
    )
    op.create_table(
        "pipeline_plan",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False, comment="the caller's own"),
        sa.Column("requested", sa.Text(), nullable=False),
        sa.Column("batch_metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("phases", postgresql.ARRAY(sa.Text()), nullable=False, comment="still to be run, in order"),
        sa.Column("skipped", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "obstacles",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="why it may not be run; empty where it may",
        ),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("pipeline_plan_of_batch", "pipeline_plan", ["batch_id"], unique=False)


def downgrade() -> None:
    """Drop them."""
    for table in ("pipeline_plan", "phase_skip", "phase_essay", "outbox", "inbox", "batch_phase"):
        op.drop_table(table)
