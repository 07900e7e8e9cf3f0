"""Batches that are judged through the vendors' batch APIs."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Say of each batch whether it may take its time; earlier ones may not."""
    op.add_column(
        "assessment_batch",
        sa.Column(
            "is_relaxed",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="judged through the vendors' batch APIs, in few rounds",
        ),
    )


def downgrade() -> None:
    """Forget it."""
    op.drop_column("assessment_batch", "is_relaxed")
