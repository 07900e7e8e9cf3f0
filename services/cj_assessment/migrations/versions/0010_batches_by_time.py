"""Batches are listed by the time of their request."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Find the newest batches without reading the others."""
    op.create_index("assessment_batch_received", "assessment_batch", ["received_at", "id"])


def downgrade() -> None:
    """Read all of them again."""
    op.drop_index("assessment_batch_received", "assessment_batch")
