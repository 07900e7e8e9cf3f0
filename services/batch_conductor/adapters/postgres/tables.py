"""The tables of the Batch Conductor database."""

from service_kit.messaging.inbox import inbox_table
from service_kit.messaging.outbox import outbox_table
from service_kit.work.failed_items import failed_item_table
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    false,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()

batch_phase = Table(
    "batch_phase",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("phase", Text, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("with_failures", Boolean, nullable=False, server_default=false()),
    Column("essays", Integer, comment="how many the newest report speaks of; null where it does not say"),
    Column("reported_at", DateTime(timezone=True), nullable=False, comment="when it happened, by its sender"),
    CheckConstraint("stage IN ('processing', 'completed', 'failed', 'cancelled')", name="batch_phase_stage"),
)

phase_essay = Table(
    "phase_essay",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("phase", Text, primary_key=True),
    Column("essay_id", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("reported_at", DateTime(timezone=True), nullable=False, comment="when it happened, by its sender"),
    CheckConstraint("outcome IN ('succeeded', 'failed', 'skipped')", name="phase_essay_outcome"),
)

batch_size = Table(
    "batch_size",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("essay_count", Integer, nullable=False, comment="as the newest call says that names one"),
    Column("told_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

Index("batch_phase_reported", batch_phase.c.reported_at, postgresql_using="brin")
Index("phase_essay_reported", phase_essay.c.reported_at, postgresql_using="brin")

pipeline_plan = Table(
    "pipeline_plan",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("plan_id", Uuid, nullable=False, comment="the same for the same question and answer"),
    Column("batch_id", Text, nullable=False),
    Column("correlation_id", Text, nullable=False, comment="of the first caller who had this plan"),
    Column("requested", Text, nullable=False),
    Column("batch_metadata", JSONB(none_as_null=True)),
    Column("phases", ARRAY(Text), nullable=False, comment="still to be run, in order"),
    Column("skipped", ARRAY(Text), nullable=False),
    Column("obstacles", JSONB, nullable=False, comment="why it may not be run; empty where it may"),
    Column("asked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index("pipeline_plan_of_batch", pipeline_plan.c.batch_id)
Index("pipeline_plan_once", pipeline_plan.c.plan_id, unique=True)

phase_skip = Table(
    "phase_skip",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("correlation_id", Uuid, primary_key=True),
    Column("phase", Text, primary_key=True),
    Column("announced_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

outbox = outbox_table(metadata)
inbox = inbox_table(metadata)
failed_item = failed_item_table(metadata)
