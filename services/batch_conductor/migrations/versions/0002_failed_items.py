"""Items that a worker could not handle."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "failed_item",
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False, comment="the key of what could not be handled"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=False),
        sa.Column(
            "first_failed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "last_failed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "set_aside_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="null while it is still tried",
        ),
        sa.PrimaryKeyConstraint("worker", "item"),
    )
    op.create_index(
        "failed_item_set_aside",
        "failed_item",
        ["set_aside_at"],
        unique=False,
        postgresql_where=sa.text("set_aside_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("failed_item")
