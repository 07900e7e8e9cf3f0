"""What is deleted when, what somebody wants forgotten, and where a batch's texts may be sent."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

STUDENT_PROMPT = "request #>> '{student_prompt_ref,references,student_prompt_text,storage_id}'"


def upgrade() -> None:
    """Add the columns, the indexes and the table of erasures."""
    op.add_column(
        "assessment_batch",
        sa.Column(
            "allowed_regions",
            sa.Text(),
            comment="where its texts may be sent, comma separated; null is anywhere",
        ),
    )
    op.add_column(
        "assessment_batch",
        sa.Column(
            "texts_deleted_at",
            sa.DateTime(timezone=True),
            comment="texts, prompts and raw answers are deleted: it cannot be judged again",
        ),
    )
    op.create_index(
        "assessment_batch_with_texts",
        "assessment_batch",
        ["ended_at"],
        postgresql_where=sa.text("texts_deleted_at IS NULL"),
    )
    op.create_index(
        "assessment_batch_student_prompt",
        "assessment_batch",
        [sa.text(f"({STUDENT_PROMPT})")],
        postgresql_where=sa.text("texts_deleted_at IS NULL"),
    )
    op.create_index("batch_essay_named", "batch_essay", ["essay_id"])
    op.create_index("batch_essay_text", "batch_essay", ["text_storage_id"])
    op.create_index("content_age", "content", ["created_at"])
    op.alter_column("content", "created_at", comment="when it was last posted")
    op.create_index("admin_change_age", "admin_change", ["at"], postgresql_using="brin")
    op.create_table(
        "erasure",
        sa.Column("batch_id", sa.Text(), nullable=False, comment="the batch that somebody wants forgotten"),
        sa.Column("everything", sa.Boolean(), nullable=False, comment="scores and ids too"),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column(
            "requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "next_step_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "elsewhere",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="texts to be deleted in an external content service",
        ),
        sa.Column(
            "kept_elsewhere",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="texts that it keeps",
        ),
        sa.Column(
            "requests_erased",
            sa.Integer(),
            comment="at the LLM Provider; null until it has erased them all",
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("batch_id"),
    )
    op.create_index(
        "erasure_open", "erasure", ["next_step_at"], postgresql_where=sa.text("completed_at IS NULL")
    )


def downgrade() -> None:
    """Back to texts that are kept for ever."""
    op.drop_table("erasure")
    op.drop_index("admin_change_age", "admin_change")
    op.alter_column("content", "created_at", comment=None, existing_comment="when it was last posted")
    op.drop_index("content_age", "content")
    op.drop_index("batch_essay_text", "batch_essay")
    op.drop_index("batch_essay_named", "batch_essay")
    op.drop_index("assessment_batch_student_prompt", "assessment_batch")
    op.drop_index("assessment_batch_with_texts", "assessment_batch")
    op.drop_column("assessment_batch", "texts_deleted_at")
    op.drop_column("assessment_batch", "allowed_regions")
