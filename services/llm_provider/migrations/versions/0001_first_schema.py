"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "cost_alert",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("alert_type", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("provider", "alert_type", "period"),
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "event_id"),
    )
    op.create_index("inbox_received", "inbox", ["received_at"], unique=False, postgresql_using="brin")
    op.create_table(
        "meter",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="fingerprint of the key: limits belong to an account"
        ),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("requests_per_minute", sa.Double(), nullable=True),
        sa.Column("input_per_minute", sa.Double(), nullable=True),
        sa.Column("output_per_minute", sa.Double(), nullable=True),
        sa.Column("tokens_per_minute", sa.Double(), nullable=True),
        sa.Column(
            "requests_until", sa.DateTime(timezone=True), server_default=sa.text("'epoch'"), nullable=False
        ),
        sa.Column(
            "input_until", sa.DateTime(timezone=True), server_default=sa.text("'epoch'"), nullable=False
        ),
        sa.Column(
            "output_until", sa.DateTime(timezone=True), server_default=sa.text("'epoch'"), nullable=False
        ),
        sa.Column(
            "tokens_until", sa.DateTime(timezone=True), server_default=sa.text("'epoch'"), nullable=False
        ),
        sa.Column(
            "input_ratio",
            sa.Double(),
            server_default=sa.text("1"),
            nullable=False,
            comment="real tokens to estimated",
        ),
        sa.Column("output_mean", sa.Double(), nullable=False, comment="tokens of an answer"),
        sa.Column("max_concurrency", sa.Double(), nullable=False),
        sa.Column("concurrency", sa.Double(), nullable=False),
        sa.Column("cut_at", sa.DateTime(timezone=True), server_default=sa.text("'epoch'"), nullable=False),
        sa.Column(
            "held_until",
            sa.DateTime(timezone=True),
            server_default=sa.text("'epoch'"),
            nullable=False,
            comment="Retry-After",
        ),
        sa.Column(
            "failures",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="of the vendor, in a row",
        ),
        sa.Column(
            "openings",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="of the breaker, in a row",
        ),
        sa.Column(
            "open_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="null while the breaker is closed",
        ),
        sa.PrimaryKeyConstraint("provider", "key", "model"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "headers", sa.Text(), nullable=False, comment="JSON: names and values, bytes read as Latin-1"
        ),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "outbox_due",
        "outbox",
        ["not_before"],
        unique=False,
        postgresql_where=sa.text("given_up_at IS NULL AND transport = 'http'"),
    )
    op.create_index(
        "outbox_given_up",
        "outbox",
        ["given_up_at"],
        unique=False,
        postgresql_where=sa.text("given_up_at IS NOT NULL"),
    )
    op.create_index(
        "outbox_held_up",
        "outbox",
        ["id"],
        unique=False,
        postgresql_where=sa.text("given_up_at IS NULL AND transport = 'bus' AND attempts > 0"),
    )
    op.create_index(
        "outbox_unsent",
        "outbox",
        ["id"],
        unique=False,
        postgresql_where=sa.text("given_up_at IS NULL AND transport = 'bus'"),
    )
    op.create_table(
        "provider_batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="collected, submitting, running, ended or failed"
        ),
        sa.Column("vendor_job_id", sa.Text(), nullable=True),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("submissions", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="next step; while at it: the lease",
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it failed as a whole"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "provider_batch_due",
        "provider_batch",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "provider_pause",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("provider"),
    )
    op.create_table(
        "spending",
        sa.Column("day", sa.Date(), nullable=False, comment="UTC"),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False, comment="empty: the caller named none"),
        sa.Column("batch_id", sa.Text(), nullable=False, comment="empty: the caller named none"),
        sa.Column("calls", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("answered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unpriced_calls", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("day", "provider", "model", "user_id", "batch_id"),
        comment="Sums over provider_call, kept in the same transactions.",
    )
    op.create_index("spending_of_batch", "spending", ["batch_id"], unique=False)
    op.create_index("spending_of_user", "spending", ["user_id", "day"], unique=False)
    op.create_table(
        "judge_request",
        sa.Column("id", sa.Uuid(), nullable=False, comment="queue_id"),
        sa.Column(
            "seq", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="order of acceptance"
        ),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("system", sa.Text(), nullable=True, comment="null once the prompt is forgotten"),
        sa.Column("blocks", sa.Text(), nullable=True, comment="JSON; null once the prompt is forgotten"),
        sa.Column("prompt_sha256", sa.Text(), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("estimated_input", sa.Integer(), nullable=False, comment="tokens, by the prompt's length"),
        sa.Column("callback_topic", sa.Text(), nullable=True),
        sa.Column("callback_url", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("batch_id", sa.Text(), nullable=True, comment="the caller's"),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_relaxed", sa.Boolean(), nullable=False),
        sa.Column("reports_batch_expiry", sa.Boolean(), nullable=False),
        sa.Column("max_cost_usd", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="later: when it may wait for its turn; calling: end of the lease",
        ),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column(
            "lane",
            sa.Text(),
            nullable=False,
            comment="whose turn it is: the batch, else the user, else itself",
        ),
        sa.Column("turn", sa.BigInteger(), nullable=True, comment="place in the fair order while it waits"),
        sa.Column("provider_batch", sa.Uuid(), nullable=True),
        sa.Column("leased_by", sa.Uuid(), nullable=True),
        sa.Column("reserved_input", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reserved_output", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "failures", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="those that count"
        ),
        sa.Column(
            "spent_usd", sa.Numeric(precision=18, scale=9), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("price_known", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("last_error_code", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.Text(), nullable=True, comment="JSON"),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (state IN ('waiting', 'later', 'calling', 'relaxed', 'batched'))",
            name="judge_request_state_fits",
        ),
        sa.CheckConstraint("state <> 'waiting' OR turn IS NOT NULL", name="judge_request_waiting_has_turn"),
        sa.CheckConstraint("(ended_at IS NULL) = (result IS NULL)", name="judge_request_ended_has_result"),
        sa.CheckConstraint(
            "callback_topic IS NOT NULL OR callback_url IS NOT NULL", name="judge_request_has_callback"
        ),
        sa.ForeignKeyConstraint(
            ["provider_batch"],
            ["provider_batch.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("idempotency_key"),
    )
    op.create_index(
        "judge_request_batched",
        "judge_request",
        ["provider_batch"],
        unique=False,
        postgresql_where=sa.text("state = 'batched'"),
    )
    op.create_index(
        "judge_request_calling",
        "judge_request",
        ["provider", "model"],
        unique=False,
        postgresql_where=sa.text("state = 'calling'"),
    )
    op.create_index(
        "judge_request_due",
        "judge_request",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('later', 'calling')"),
    )
    op.create_index(
        "judge_request_expiring",
        "judge_request",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "judge_request_lane",
        "judge_request",
        ["provider", "model", "priority", "lane", "turn"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "judge_request_relaxed",
        "judge_request",
        ["provider", "model", "seq"],
        unique=False,
        postgresql_where=sa.text("state = 'relaxed'"),
    )
    op.create_index(
        "judge_request_waiting",
        "judge_request",
        ["provider", "model", sa.literal_column("priority DESC"), "turn", "seq"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "judge_request_with_prompt",
        "judge_request",
        ["ended_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NOT NULL AND blocks IS NOT NULL"),
    )
    op.create_table(
        "provider_call",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("request", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="answered, or the error code"),
        sa.Column("in_batch", sa.Boolean(), nullable=False),
        sa.Column("vendor_request_id", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cache_write_1h_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "cost_usd", sa.Numeric(precision=18, scale=9), nullable=True, comment="null: no price is known"
        ),
        sa.Column("price_list", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["request"], ["judge_request.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("provider_call_once", "provider_call", ["request", "attempt"], unique=True)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("provider_call")
    op.drop_table("judge_request")
    op.drop_table("spending")
    op.drop_table("provider_pause")
    op.drop_table("provider_batch")
    op.drop_table("outbox")
    op.drop_table("meter")
    op.drop_table("inbox")
    op.drop_table("cost_alert")
