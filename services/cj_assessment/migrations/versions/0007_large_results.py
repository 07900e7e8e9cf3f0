"""Where the whole of a result is kept that was too large to be published."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the content id; results so far were published whole."""
    op.add_column(
        "assessment_batch",
        sa.Column(
            "result_ref", sa.Text(), comment="its content id, where it was too large to be published whole"
        ),
    )
    op.alter_column("assessment_batch", "result", comment="the whole AssessmentResultV1")
    op.create_index(
        "assessment_batch_result",
        "assessment_batch",
        ["result_ref"],
        postgresql_where=sa.text("result_ref IS NOT NULL"),
    )


def downgrade() -> None:
    """Forget it."""
    op.drop_index("assessment_batch_result", "assessment_batch")
    op.alter_column("assessment_batch", "result", comment="the published AssessmentResultV1")
    op.drop_column("assessment_batch", "result_ref")
