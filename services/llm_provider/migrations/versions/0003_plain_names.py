"""Plain names for columns, tables and states; paid calls, outages and cancellations."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

COLUMNS = (
    ("judge_request", "system", "system_prompt"),
    ("judge_request", "blocks", "prompt_blocks"),
    ("judge_request", "provider_batch", "batch_job_id"),
    ("provider_call", "request", "request_id"),
    ("meter", "cut_at", "concurrency_cut_at"),
    ("meter", "openings", "times_opened"),
)
STATES = (("later", "delayed"), ("relaxed", "awaiting_batch"), ("batched", "in_batch"))
INDEXES = (("provider_batch_due", "batch_job_due"), ("provider_batch_pkey", "batch_job_pkey"))
COMMENTS = (
    (
        "judge_request",
        "due_at",
        sa.DateTime(timezone=True),
        "delayed: when it may wait for its turn; calling: end of the lease",
    ),
    ("judge_request", "failures", sa.Integer(), "failed calls, without those that met a rate limit"),
    ("meter", "failures", sa.Integer(), "of the vendor, in a row"),
    ("meter", "times_opened", sa.Integer(), "of the breaker, in a row"),
    ("batch_job", "due_at", sa.DateTime(timezone=True), "next step; during it: the end of the lease"),
)


def upgrade() -> None:
    """Rename, then add."""
    _drop_what_names_states()
    op.rename_table("provider_batch", "batch_job")
    for table, old, new in COLUMNS:
        op.alter_column(table, old, new_column_name=new)
    for old, new in INDEXES:
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")
    for old, new in STATES:
        op.execute(f"UPDATE judge_request SET state = '{new}' WHERE state = '{old}'")
    _add_what_names_states(("waiting", "delayed", "calling", "awaiting_batch", "in_batch"))
    _add_columns()
    for table, column, kind, comment in COMMENTS:
        op.alter_column(table, column, existing_type=kind, comment=comment)


def downgrade() -> None:
    """Take away, then rename back."""
    _drop_what_names_states()
    op.drop_index("judge_request_cancel_requested", table_name="judge_request")
    for column in ("cancel_requested_at", "last_error_message", "failing_since", "paid_calls"):
        op.drop_column("judge_request", column)
    for column in ("last_error_message", "last_error_code", "failing_since"):
        op.drop_column("meter", column)
    for old, new in STATES:
        op.execute(f"UPDATE judge_request SET state = '{old}' WHERE state = '{new}'")
    for old, new in INDEXES:
        op.execute(f"ALTER INDEX {new} RENAME TO {old}")
    for table, old, new in COLUMNS:
        op.alter_column(table, new, new_column_name=old)
    op.rename_table("batch_job", "provider_batch")
    _add_what_names_states(("waiting", "later", "calling", "relaxed", "batched"))


def _drop_what_names_states() -> None:
    op.drop_constraint("judge_request_state_fits", "judge_request")
    op.drop_index("judge_request_due", table_name="judge_request")
    op.execute("DROP INDEX IF EXISTS judge_request_relaxed, judge_request_batched")
    op.execute("DROP INDEX IF EXISTS judge_request_awaiting_batch, judge_request_in_batch")


def _add_what_names_states(states: tuple[str, ...]) -> None:
    _, delayed, calling, awaiting_batch, in_batch = states
    named = ", ".join(f"'{state}'" for state in states)
    op.create_check_constraint(
        "judge_request_state_fits", "judge_request", f"(ended_at IS NULL) = (state IN ({named}))"
    )
    op.create_index(
        "judge_request_due",
        "judge_request",
        ["due_at"],
        postgresql_where=sa.text(f"state IN ('{delayed}', '{calling}')"),
    )
    op.create_index(
        f"judge_request_{awaiting_batch}",
        "judge_request",
        ["provider", "model", "seq"],
        postgresql_where=sa.text(f"state = '{awaiting_batch}'"),
    )
    op.create_index(
        f"judge_request_{in_batch}",
        "judge_request",
        ["batch_job_id" if in_batch == "in_batch" else "provider_batch"],
        postgresql_where=sa.text(f"state = '{in_batch}'"),
    )


def _add_columns() -> None:
    op.add_column(
        "judge_request",
        sa.Column(
            "paid_calls",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="calls that are or may be billed",
        ),
    )
    op.add_column(
        "judge_request",
        sa.Column("failing_since", sa.DateTime(timezone=True), comment="first call that the vendor failed"),
    )
    op.add_column("judge_request", sa.Column("last_error_message", sa.Text()))
    op.add_column(
        "judge_request",
        sa.Column(
            "cancel_requested_at",
            sa.DateTime(timezone=True),
            comment="taken back during a call: it ends when the call has ended",
        ),
    )
    op.create_index(
        "judge_request_cancel_requested",
        "judge_request",
        ["cancel_requested_at"],
        postgresql_where=sa.text("ended_at IS NULL AND cancel_requested_at IS NOT NULL"),
    )
    op.add_column(
        "meter",
        sa.Column("failing_since", sa.DateTime(timezone=True), comment="first failure since the last answer"),
    )
    op.add_column("meter", sa.Column("last_error_code", sa.Text()))
    op.add_column("meter", sa.Column("last_error_message", sa.Text()))
