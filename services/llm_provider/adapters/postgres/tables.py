"""The tables of the LLM Provider database."""

from service_kit.messaging.inbox import inbox_table
from service_kit.messaging.outbox import outbox_table
from service_kit.work.failed_items import failed_item_table
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
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

MONEY = Numeric(18, 9)
TIMESTAMP = DateTime(timezone=True)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


batch_job = Table(
    "batch_job",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("state", Text, nullable=False, comment="collected, submitting, running, ended or failed"),
    Column("vendor_job_id", Text),
    Column("items", Integer, nullable=False),
    Column("submissions", SmallInteger, nullable=False, server_default=text("0")),
    Column("created_at", TIMESTAMP, nullable=False, server_default=text("now()")),
    Column(
        "due_at",
        TIMESTAMP,
        nullable=False,
        server_default=text("now()"),
        comment="next step; during it: the end of the lease",
    ),
    Column("ended_at", TIMESTAMP),
    Column("reason", Text, comment="why it failed as a whole"),
    CheckConstraint(
        "items >= 0 AND submissions >= 0",
        name="batch_job_nothing_negative",
    ),
)
Index("batch_job_due", batch_job.c.due_at, postgresql_where=text("ended_at IS NULL"))

judge_request = Table(
    "judge_request",
    metadata,
    Column("id", Uuid, primary_key=True, comment="queue_id"),
    Column("seq", BigInteger, Identity(always=True), nullable=False, comment="order of acceptance"),
    Column("idempotency_key", Text, nullable=False, unique=True),
    Column("body_sha256", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("system_prompt", Text, comment="null once the prompt is forgotten"),
    Column("prompt_blocks", Text, comment="JSON; null once the prompt is forgotten"),
    Column("prompt_sha256", Text, nullable=False),
    Column("sample", Integer, nullable=False),
    Column("estimated_input", Integer, nullable=False, comment="tokens, by the prompt's length"),
    Column("callback_topic", Text),
    Column("callback_url", Text),
    Column("correlation_id", Uuid, nullable=False),
    Column("user_id", Text),
    Column("batch_id", Text, comment="the caller's"),
    Column("metadata", JSONB, nullable=False),
    Column("requested_at", TIMESTAMP, nullable=False),
    Column("not_before", TIMESTAMP, nullable=False),
    Column("expires_at", TIMESTAMP, nullable=False),
    Column("is_relaxed", Boolean, nullable=False),
    Column("reports_batch_expiry", Boolean, nullable=False),
    Column("max_cost_usd", MONEY),
    Column("state", Text, nullable=False),
    Column(
        "due_at",
        TIMESTAMP,
        nullable=False,
        comment="delayed: when it may wait for its turn; calling: end of the lease",
    ),
    Column("priority", SmallInteger, nullable=False),
    Column("lane", Text, nullable=False, comment="whose turn it is: the batch, else the user, else itself"),
    Column("turn", BigInteger, comment="place in the fair order while it waits"),
    Column("batch_job_id", Uuid, ForeignKey("batch_job.id")),
    Column("leased_by", Uuid),
    Column("reserved_input", Integer, nullable=False, server_default=text("0")),
    Column("reserved_output", Integer, nullable=False, server_default=text("0")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column(
        "failures",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="failed calls, without those that met a rate limit",
    ),
    Column("spent_usd", MONEY, nullable=False, server_default=text("0")),
    Column("price_known", Boolean, nullable=False, server_default=text("true")),
    Column(
        "paid_calls",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="calls that are or may be billed",
    ),
    Column("failing_since", TIMESTAMP, comment="first call that the vendor failed"),
    Column("last_error_code", Text),
    Column("last_error_message", Text),
    Column(
        "cancel_requested_at",
        TIMESTAMP,
        comment="taken back during a call: it ends when the call has ended",
    ),
    Column("ended_at", TIMESTAMP),
    Column("result", Text, comment="JSON"),
    Column(
        "is_erased",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="prompt, reasons and what else the caller sent are deleted",
    ),
    Column("traceparent", Text, comment="W3C trace context that its calls and its callback continue"),
    Column("tracestate", Text),
    CheckConstraint(
        "callback_topic IS NOT NULL OR callback_url IS NOT NULL", name="judge_request_has_callback"
    ),
    CheckConstraint("(ended_at IS NULL) = (result IS NULL)", name="judge_request_ended_has_result"),
    CheckConstraint(
        "(ended_at IS NULL) = (state IN ('waiting', 'delayed', 'calling', 'awaiting_batch', 'in_batch'))",
        name="judge_request_state_fits",
    ),
    CheckConstraint("state <> 'waiting' OR turn IS NOT NULL", name="judge_request_waiting_has_turn"),
    CheckConstraint(
        "max_cost_usd >= 0 AND spent_usd >= 0 AND attempts >= 0 AND failures >= 0"
        " AND paid_calls >= 0 AND estimated_input >= 0 AND reserved_input >= 0"
        " AND reserved_output >= 0",
        name="judge_request_nothing_negative",
    ),
)
_WAITING = text("state = 'waiting'")
_column = judge_request.c
Index(
    "judge_request_waiting",
    _column.provider,
    _column.model,
    _column.priority.desc(),
    _column.turn,
    _column.seq,
    postgresql_where=_WAITING,
)
Index(
    "judge_request_lane",
    _column.provider,
    _column.model,
    _column.priority,
    _column.lane,
    _column.turn,
    postgresql_where=_WAITING,
)
Index("judge_request_due", _column.due_at, postgresql_where=text("state IN ('delayed', 'calling')"))
Index("judge_request_calling", _column.provider, _column.model, postgresql_where=text("state = 'calling'"))
Index(
    "judge_request_awaiting_batch",
    _column.provider,
    _column.model,
    _column.seq,
    postgresql_where=text("state = 'awaiting_batch'"),
)
Index("judge_request_in_batch", _column.batch_job_id, postgresql_where=text("state = 'in_batch'"))
Index(
    "judge_request_cancel_requested",
    _column.cancel_requested_at,
    postgresql_where=text("ended_at IS NULL AND cancel_requested_at IS NOT NULL"),
)
Index("judge_request_expiring", _column.expires_at, postgresql_where=text("ended_at IS NULL"))
Index(
    "judge_request_with_prompt",
    _column.ended_at,
    postgresql_where=text("ended_at IS NOT NULL AND prompt_blocks IS NOT NULL"),
)

Index(
    "judge_request_with_answer",
    _column.ended_at,
    postgresql_where=text("ended_at IS NOT NULL AND NOT is_erased"),
)
Index("judge_request_ended", _column.ended_at, postgresql_where=text("ended_at IS NOT NULL"))
Index("judge_request_of_batch", _column.batch_id, _column.seq)

meter = Table(
    "meter",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("key", Text, primary_key=True, comment="fingerprint of the key: limits belong to an account"),
    Column("model", Text, primary_key=True),
    Column("requests_per_minute", Double),
    Column("input_per_minute", Double),
    Column("output_per_minute", Double),
    Column("tokens_per_minute", Double),
    Column("requests_until", TIMESTAMP, nullable=False, server_default=text("'epoch'")),
    Column("input_until", TIMESTAMP, nullable=False, server_default=text("'epoch'")),
    Column("output_until", TIMESTAMP, nullable=False, server_default=text("'epoch'")),
    Column("tokens_until", TIMESTAMP, nullable=False, server_default=text("'epoch'")),
    Column(
        "input_ratio", Double, nullable=False, server_default=text("1"), comment="real tokens to estimated"
    ),
    Column("output_mean", Double, nullable=False, comment="tokens of an answer"),
    Column("max_concurrency", Double, nullable=False),
    Column("concurrency", Double, nullable=False),
    Column("concurrency_cut_at", TIMESTAMP, nullable=False, server_default=text("'epoch'")),
    Column("held_until", TIMESTAMP, nullable=False, server_default=text("'epoch'"), comment="Retry-After"),
    Column("failures", Integer, nullable=False, server_default=text("0"), comment="of the vendor, in a row"),
    Column(
        "times_opened", Integer, nullable=False, server_default=text("0"), comment="of the breaker, in a row"
    ),
    Column("open_until", TIMESTAMP, comment="null while the breaker is closed"),
    Column("failing_since", TIMESTAMP, comment="first failure since the last answer"),
    Column("last_error_code", Text),
    Column("last_error_message", Text),
    CheckConstraint(
        "failures >= 0 AND times_opened >= 0",
        name="meter_nothing_negative",
    ),
)

provider_pause = Table(
    "provider_pause",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("paused_at", TIMESTAMP, nullable=False, server_default=text("now()")),
    Column("paused_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

provider_call = Table(
    "provider_call",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("request_id", Uuid, ForeignKey("judge_request.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("started_at", TIMESTAMP, nullable=False),
    Column("ended_at", TIMESTAMP, nullable=False),
    Column("outcome", Text, nullable=False, comment="answered, or the error code"),
    Column("in_batch", Boolean, nullable=False),
    Column("vendor_request_id", Text),
    _count("input_tokens"),
    _count("output_tokens"),
    _count("cache_read_tokens"),
    _count("cache_write_tokens"),
    _count("cache_write_1h_tokens"),
    _count("reasoning_tokens"),
    Column("cost_usd", MONEY, comment="null: no price is known"),
    Column("price_list", Text, nullable=False),
    CheckConstraint(
        "cost_usd >= 0 AND input_tokens >= 0 AND output_tokens >= 0 AND cache_read_tokens >= 0"
        " AND cache_write_tokens >= 0 AND cache_write_1h_tokens >= 0 AND reasoning_tokens >= 0",
        name="provider_call_nothing_negative",
    ),
)
Index("provider_call_once", provider_call.c.request_id, provider_call.c.attempt, unique=True)

spending = Table(
    "spending",
    metadata,
    Column("day", Date, primary_key=True, comment="UTC"),
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("user_id", Text, primary_key=True, comment="empty: the caller named none"),
    Column("batch_id", Text, primary_key=True, comment="empty: the caller named none"),
    _count("calls"),
    _count("answered"),
    _count("unpriced_calls"),
    _count("input_tokens"),
    _count("output_tokens"),
    Column("cost_usd", MONEY, nullable=False, server_default=text("0")),
    CheckConstraint(
        "cost_usd >= 0 AND calls >= 0 AND answered >= 0 AND unpriced_calls >= 0"
        " AND input_tokens >= 0 AND output_tokens >= 0",
        name="spending_nothing_negative",
    ),
    comment="Sums over provider_call, kept in the same transactions.",
)
Index("spending_of_user", spending.c.user_id, spending.c.day)
Index("spending_of_batch", spending.c.batch_id)

cost_alert = Table(
    "cost_alert",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("alert_type", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("raised_at", TIMESTAMP, nullable=False, server_default=text("now()")),
)

outbox = outbox_table(metadata)
failed_item = failed_item_table(metadata)
inbox = inbox_table(metadata)
