"""The trace that a batch belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Keep the W3C trace context of a batch's request."""
    op.add_column(
        "assessment_batch",
        sa.Column("traceparent", sa.Text(), comment="W3C trace context that the batch's spans continue"),
    )
    op.add_column("assessment_batch", sa.Column("tracestate", sa.Text()))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("assessment_batch", "tracestate")
    op.drop_column("assessment_batch", "traceparent")
