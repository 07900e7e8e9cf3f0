"""Batches by the time of their end, for what operators see of the last day."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Let those of the last day be found without reading all."""
    op.create_index(
        "assessment_batch_ended",
        "assessment_batch",
        ["ended_at"],
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    _comment("once nothing is outstanding any more", "once nothing is outstanding")


def downgrade() -> None:
    """Forget the index."""
    _comment("once nothing is outstanding", "once nothing is outstanding any more")
    op.drop_index("assessment_batch_ended", "assessment_batch")


def _comment(old: str, new: str) -> None:
    op.alter_column(
        "assessment_batch",
        "consumption_reported_at",
        existing_type=sa.DateTime(timezone=True),
        existing_comment=old,
        comment=new,
    )
