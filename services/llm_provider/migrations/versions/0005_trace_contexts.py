"""The trace that a request belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Keep the W3C trace context of each request."""
    op.add_column(
        "judge_request",
        sa.Column(
            "traceparent", sa.Text(), comment="W3C trace context that its calls and its callback continue"
        ),
    )
    op.add_column("judge_request", sa.Column("tracestate", sa.Text()))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("judge_request", "tracestate")
    op.drop_column("judge_request", "traceparent")
