"""The tables of the CJ Assessment database."""

from datetime import datetime

from service_kit.messaging.inbox import inbox_table
from service_kit.messaging.outbox import outbox_table
from service_kit.work.failed_items import failed_item_table
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()


def _now(name: str) -> Column[datetime]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


content = Table(
    "content",
    metadata,
    Column("storage_id", Text, primary_key=True, comment="SHA-256 of the bytes, hex"),
    Column("body", LargeBinary, nullable=False),
    Column(
        "created_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.now(),
        comment="when it was last posted",
    ),
)
Index("content_age", content.c.created_at)

assessment_instruction = Table(
    "assessment_instruction",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("assignment_id", Text, unique=True),
    Column("course_id", Text, unique=True),
    Column("instructions_text", Text, nullable=False),
    Column("grade_scale", Text, nullable=False),
    Column("context_origin", Text, nullable=False),
    Column("student_prompt_storage_id", Text),
    Column("judge_rubric_storage_id", Text),
    _now("created_at"),
    _now("updated_at"),
    CheckConstraint(
        "(assignment_id IS NULL) <> (course_id IS NULL)", name="assessment_instruction_one_owner"
    ),
)

anchor_essay = Table(
    "anchor_essay",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("assignment_id", Text, nullable=False),
    Column("anchor_label", Text, nullable=False),
    Column("grade_scale", Text, nullable=False),
    Column("grade", Text, nullable=False),
    Column("text_storage_id", Text, nullable=False),
    _now("created_at"),
    UniqueConstraint("assignment_id", "grade_scale", "anchor_label", name="anchor_essay_label"),
)

admin_change = Table(
    "admin_change",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _now("at"),
    Column("by", Text, nullable=False, comment="subject of the token"),
    Column("operation", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="which assignment, course, anchor or batch"),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB(none_as_null=True)),
)
Index("admin_change_age", admin_change.c.at, postgresql_using="brin")

assessment_batch = Table(
    "assessment_batch",
    metadata,
    Column("id", Uuid, primary_key=True, comment="cj_assessment_job_id"),
    Column("batch_id", Text, nullable=False, unique=True, comment="the platform's batch id"),
    Column("request_sha256", Text, nullable=False),
    Column("correlation_id", Uuid, nullable=False),
    Column("request", JSONB, nullable=False, comment="the event's data, as received"),
    Column("course_code", Text, nullable=False),
    Column("user_id", Text, nullable=False, comment="who is billed"),
    Column("org_id", Text),
    Column("max_comparisons", Integer),
    Column("max_cost_usd", Numeric(18, 9)),
    Column("target_reliability", Double, nullable=False),
    Column("callback_url", Text),
    Column("state", Text, nullable=False),
    Column("assignment_id", Text),
    Column("grade_scale", Text),
    Column("seed", BigInteger, nullable=False, server_default=text("0"), comment="of the choice of pairs"),
    Column("judges", JSONB, nullable=False, comment="provider, model, share, expected and highest cost"),
    Column("instructions", Text),
    Column("rubric", Text),
    Column("student_prompt", Text),
    _now("received_at"),
    Column("started_at", DateTime(timezone=True)),
    Column("deadline", DateTime(timezone=True), nullable=False),
    Column("last_round", Integer, nullable=False, server_default=text("0")),
    Column("awaited_round", Integer, nullable=False, server_default=text("0")),
    Column("next_check_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("cancelled_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("stop_reason", Text),
    Column("error", JSONB),
    Column("result", JSONB, comment="the whole AssessmentResultV1"),
    Column("result_ref", Text, comment="its content id, where it was too large to be published whole"),
    Column("consumption_reported_at", DateTime(timezone=True), comment="once nothing is outstanding"),
    Column(
        "consumption_reported",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="comparisons in the consumption events so far",
    ),
    Column("allowed_regions", Text, comment="where its texts may be sent, comma separated; null is anywhere"),
    Column(
        "is_relaxed",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="judged through the vendors' batch APIs, in few rounds",
    ),
    Column("traceparent", Text, comment="W3C trace context that the batch's spans continue"),
    Column("tracestate", Text),
    Column(
        "texts_deleted_at",
        DateTime(timezone=True),
        comment="texts, prompts and raw answers are deleted: it cannot be judged again",
    ),
    CheckConstraint(
        "state IN ('accepted', 'judging', 'completed', 'completed_with_failures', 'failed', 'cancelled')",
        name="assessment_batch_state",
    ),
    CheckConstraint(
        "max_comparisons >= 0 AND max_cost_usd >= 0 AND consumption_reported >= 0",
        name="assessment_batch_nothing_negative",
    ),
)
Index(
    "assessment_batch_open",
    assessment_batch.c.next_check_at,
    postgresql_where=text("ended_at IS NULL"),
)
Index("assessment_batch_received", assessment_batch.c.received_at, assessment_batch.c.id)
Index(
    "assessment_batch_result",
    assessment_batch.c.result_ref,
    postgresql_where=text("result_ref IS NOT NULL"),
)
Index(
    "assessment_batch_unreported",
    assessment_batch.c.ended_at,
    postgresql_where=text("ended_at IS NOT NULL AND consumption_reported_at IS NULL"),
)

Index(
    "assessment_batch_ended",
    assessment_batch.c.ended_at,
    postgresql_where=text("ended_at IS NOT NULL"),
)
Index(
    "assessment_batch_with_texts",
    assessment_batch.c.ended_at,
    postgresql_where=text("texts_deleted_at IS NULL"),
)
STUDENT_PROMPT = "request #>> '{student_prompt_ref,references,student_prompt_text,storage_id}'"
"""SQL: where the students' task of a batch is kept."""

Index(
    "assessment_batch_student_prompt",
    text(f"({STUDENT_PROMPT})"),
    postgresql_where=text("texts_deleted_at IS NULL"),
    _table=assessment_batch,
)

batch_problem = Table(
    "batch_problem",
    metadata,
    Column("job_id", Uuid, ForeignKey("assessment_batch.id", ondelete="CASCADE"), primary_key=True),
    Column("error_code", Text, nullable=False),
    Column("message", Text, nullable=False, comment="what keeps the batch from going on"),
    _now("since"),
)

batch_essay = Table(
    "batch_essay",
    metadata,
    Column("job_id", Uuid, ForeignKey("assessment_batch.id", ondelete="CASCADE"), primary_key=True),
    Column("item", Integer, primary_key=True, comment="its number within the batch, students first"),
    Column("essay_id", Text, nullable=False),
    Column("text_storage_id", Text, nullable=False),
    Column("anchor_grade", Text, comment="null for a student's essay"),
    Column("body", Text, comment="null until fetched, or when there is none"),
    Column("problem", Text, comment="why the essay cannot be judged"),
    Column("signals", Text, nullable=False, server_default="", comment="why a person should look at it"),
    Column("hidden_characters", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("job_id", "essay_id", name="batch_essay_id"),
)

Index("batch_essay_named", batch_essay.c.essay_id)
Index("batch_essay_text", batch_essay.c.text_storage_id)

comparison = Table(
    "comparison",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("job_id", Uuid, nullable=False, comment="held by the keys of its essays"),
    Column("round", Integer, nullable=False),
    Column("slot_a", Integer, nullable=False),
    Column("slot_b", Integer, nullable=False),
    Column("repetition", Integer, nullable=False, comment="how often this ordered pair was compared before"),
    Column("chosen_by", Text, nullable=False, comment="why the pair was chosen"),
    Column("judge_index", SmallInteger, nullable=False, comment="its judge, as an index into the panel"),
    Column("cap_usd", Numeric(18, 9), nullable=False, comment="what its judgement may cost at most"),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("a_won", Boolean),
    Column("confidence", Double),
    Column("margin", SmallInteger, comment="1 slightly better, 2 clearly, 3 far"),
    Column("log_odds_a", Double, comment="of slot A, from the probabilities of the answer's tokens"),
    Column("judge", Text, comment="provider/model that answered"),
    Column("error_code", Text, comment="why it failed"),
    Column("judged_at", DateTime(timezone=True)),
    ForeignKeyConstraint(
        ["job_id", "slot_a"], ["batch_essay.job_id", "batch_essay.item"], ondelete="CASCADE"
    ),
    ForeignKeyConstraint(
        ["job_id", "slot_b"], ["batch_essay.job_id", "batch_essay.item"], ondelete="CASCADE"
    ),
    UniqueConstraint("job_id", "slot_a", "slot_b", "repetition", name="comparison_once"),
    CheckConstraint("slot_a <> slot_b", name="comparison_two_essays"),
    CheckConstraint(
        "state IN ('pending', 'submitted', 'judged', 'failed', 'abandoned')", name="comparison_state"
    ),
    CheckConstraint("(state = 'judged') = (a_won IS NOT NULL)", name="comparison_judged_has_winner"),
    CheckConstraint(
        "cap_usd >= 0 AND attempts >= 0 AND repetition >= 0",
        name="comparison_nothing_negative",
    ),
)
_OPEN = text("state IN ('pending', 'submitted')")
Index("comparison_open", comparison.c.job_id, comparison.c.round, postgresql_where=_OPEN)
Index(
    "comparison_pending",
    comparison.c.job_id,
    comparison.c.id,
    postgresql_where=text("state = 'pending'"),
)

comparison_attempt = Table(
    "comparison_attempt",
    metadata,
    Column("id", Uuid, primary_key=True, comment="idempotency key at the LLM Provider"),
    Column("comparison_id", BigInteger, ForeignKey("comparison.id", ondelete="CASCADE"), nullable=False),
    Column("job_id", Uuid, nullable=False, comment="its comparison's"),
    Column("number", SmallInteger, nullable=False),
    Column("request_id", Text, comment="the LLM Provider's queue id, once accepted"),
    Column("send_not_before", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("deadline", DateTime(timezone=True), nullable=False),
    _now("created_at"),
    Column("outcome", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    Column(
        "stops_batch",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="every comparison by this judge would fail",
    ),
    Column("provider", Text),
    Column("model", Text),
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("reserved_usd", Numeric(18, 9), nullable=False),
    Column("cost_usd", Numeric(18, 9), nullable=False, server_default=text("0")),
    Column("price_known", Boolean, nullable=False, server_default=text("true")),
    Column("response_time_ms", BigInteger),
    Column("prompt_sha256", Text),
    Column("winner", Text),
    Column("justification", Text),
    Column("confidence", Double),
    Column("margin", SmallInteger),
    Column("log_odds_a", Double),
    Column("log_odds", JSONB, comment="how log_odds_a came about"),
    Column("ended_at", DateTime(timezone=True)),
    Column("withdraw_not_before", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column(
        "withdrawn_at", DateTime(timezone=True), comment="the LLM Provider was told that it is not needed"
    ),
    UniqueConstraint("comparison_id", "number", name="comparison_attempt_number"),
    CheckConstraint(
        "outcome IN ('answered', 'refused', 'expired', 'withdrawn')", name="comparison_attempt_outcome"
    ),
    CheckConstraint(
        "number > 0 AND reserved_usd >= 0 AND cost_usd >= 0 AND prompt_tokens >= 0"
        " AND completion_tokens >= 0 AND response_time_ms >= 0",
        name="comparison_attempt_nothing_negative",
    ),
)
Index("comparison_attempt_of_batch", comparison_attempt.c.job_id)
Index(
    "comparison_attempt_stopping",
    comparison_attempt.c.job_id,
    postgresql_where=text("stops_batch"),
)
Index(
    "comparison_attempt_unsent",
    comparison_attempt.c.send_not_before,
    postgresql_where=text("outcome IS NULL AND request_id IS NULL"),
)
Index(
    "comparison_attempt_overdue",
    comparison_attempt.c.deadline,
    postgresql_where=text("outcome IS NULL"),
)

score_snapshot = Table(
    "score_snapshot",
    metadata,
    Column("job_id", Uuid, ForeignKey("assessment_batch.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    _now("created_at"),
    Column("comparisons", Integer, nullable=False),
    Column("theta", ARRAY(Double), nullable=False),
    Column("standard_error", ARRAY(Double), nullable=False),
    Column("tau", Double, nullable=False),
    Column("eb_reliability", Double, nullable=False),
    Column("ssr", Double, comment="null where the classical fit does not settle"),
    Column("ssr_prime", Double),
    Column("position_bias", JSONB, nullable=False),
    Column("gates", JSONB, nullable=False),
    Column("forecast", JSONB, comment="what further judging would bring; null when judging is over"),
    Column("decision", Text, nullable=False, comment="judge_more or the stop reason"),
)

erasure = Table(
    "erasure",
    metadata,
    Column("batch_id", Text, primary_key=True, comment="the batch that somebody wants forgotten"),
    Column("everything", Boolean, nullable=False, comment="scores and ids too"),
    Column("requested_by", Text, nullable=False),
    _now("requested_at"),
    _now("next_step_at"),
    Column(
        "elsewhere", ARRAY(Text), nullable=False, comment="texts to be deleted in an external content service"
    ),
    Column(
        "kept_elsewhere", Integer, nullable=False, server_default=text("0"), comment="texts that it keeps"
    ),
    Column("requests_erased", Integer, comment="at the LLM Provider; null until it has erased them all"),
    Column("completed_at", DateTime(timezone=True)),
)
Index("erasure_open", erasure.c.next_step_at, postgresql_where=text("completed_at IS NULL"))

outbox = outbox_table(metadata)
inbox = inbox_table(metadata)
failed_item = failed_item_table(metadata)
