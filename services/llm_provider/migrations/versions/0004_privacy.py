"""What is deleted when, and the requests of a batch that somebody wants forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add a column that says what is erased, and the indexes that find what is to be."""
    op.add_column(
        "judge_request",
        sa.Column(
            "is_erased",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="prompt, reasons and what else the caller sent are deleted",
        ),
    )
    op.create_index(
        "judge_request_with_answer",
        "judge_request",
        ["ended_at"],
        postgresql_where=sa.text("ended_at IS NOT NULL AND NOT is_erased"),
    )
    op.create_index(
        "judge_request_ended", "judge_request", ["ended_at"], postgresql_where=sa.text("ended_at IS NOT NULL")
    )
    op.create_index("judge_request_of_batch", "judge_request", ["batch_id", "seq"])


def downgrade() -> None:
    """Back to requests that are kept for ever."""
    op.drop_index("judge_request_of_batch", "judge_request")
    op.drop_index("judge_request_ended", "judge_request")
    op.drop_index("judge_request_with_answer", "judge_request")
    op.drop_column("judge_request", "is_erased")
