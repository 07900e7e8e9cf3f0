"""Plans that are kept once, batches whose size is known, and reports that name no essays."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column(
        "batch_phase",
        sa.Column("with_failures", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.alter_column(
        "batch_phase",
        "essays",
        existing_type=sa.Integer(),
        nullable=True,
        comment="how many the newest report speaks of; null where it does not say",
    )
    op.create_table(
        "batch_size",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column(
            "essay_count", sa.Integer(), nullable=False, comment="as the newest call says that names one"
        ),
        sa.Column("told_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("batch_id"),
    )
    op.add_column(
        "pipeline_plan",
        sa.Column(
            "plan_id",
            sa.Uuid(),
            server_default=sa.text("gen_random_uuid()"),
            nullable=False,
            comment="the same for the same question and answer",
        ),
    )
    op.alter_column("pipeline_plan", "plan_id", server_default=None)
    op.alter_column(
        "pipeline_plan",
        "correlation_id",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment="of the first caller who had this plan",
    )
    op.create_index("pipeline_plan_once", "pipeline_plan", ["plan_id"], unique=True)


def downgrade() -> None:
    """Take them away; a report that names no essays then names none of them."""
    op.drop_index("pipeline_plan_once", table_name="pipeline_plan")
    op.alter_column(
        "pipeline_plan",
        "correlation_id",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment="the caller's own",
    )
    op.drop_column("pipeline_plan", "plan_id")
    op.drop_table("batch_size")
    op.execute("UPDATE batch_phase SET essays = 0 WHERE essays IS NULL")
    op.alter_column(
        "batch_phase",
        "essays",
        existing_type=sa.Integer(),
        nullable=False,
        comment="how many the newest report speaks of",
    )
    op.drop_column("batch_phase", "with_failures")
