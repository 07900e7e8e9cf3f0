"""The tables of the LLM Provider database."""

from service_kit.inbox import inbox_table
from service_kit.outbox import outbox_table
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

judge_request = Table(
    "judge_request",
    metadata,
    Column("id", Uuid, primary_key=True, comment="queue_id"),
    Column("idempotency_key", Text, nullable=False, unique=True),
    Column("body_sha256", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("system", Text, comment="null once the prompt is forgotten"),
    Column("blocks", JSONB, comment="null once the prompt is forgotten"),
    Column("prompt_sha256", Text, nullable=False),
    Column("sample", Integer, nullable=False),
    Column("callback_topic", Text),
    Column("callback_url", Text),
    Column("correlation_id", Uuid, nullable=False),
    Column("user_id", Text),
    Column("metadata", JSONB, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False, comment="not before; while judged: the lease"),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("spent_usd", Numeric(18, 9), nullable=False, server_default=text("0")),
    Column("last_error_code", Text),
    Column("completed_at", DateTime(timezone=True)),
    Column("result", JSONB),
    CheckConstraint(
        "callback_topic IS NOT NULL OR callback_url IS NOT NULL", name="judge_request_has_callback"
    ),
    CheckConstraint("(completed_at IS NULL) = (result IS NULL)", name="judge_request_completed_has_result"),
)
_OPEN = text("completed_at IS NULL")
Index("judge_request_due", judge_request.c.provider, judge_request.c.due_at, postgresql_where=_OPEN)
Index("judge_request_expiring", judge_request.c.expires_at, postgresql_where=_OPEN)
Index(
    "judge_request_with_prompt",
    judge_request.c.completed_at,
    postgresql_where=text("completed_at IS NOT NULL AND blocks IS NOT NULL"),
)

provider_call = Table(
    "provider_call",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("request", Uuid, ForeignKey("judge_request.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", SmallInteger, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text, nullable=False, comment="answered, or the error code"),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("cache_read_tokens", Integer, nullable=False),
    Column("cache_write_tokens", Integer, nullable=False),
    Column("cost_usd", Numeric(18, 9), nullable=False),
    Column("price_list", Text, nullable=False),
)
Index("provider_call_of_request", provider_call.c.request)

outbox = outbox_table(metadata)
inbox = inbox_table(metadata)
