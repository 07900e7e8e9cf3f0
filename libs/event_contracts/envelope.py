"""The envelope around every event: written once, read strictly, with its headers, key and hints."""

from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Final, Generic, Self, TypeVar, cast
from uuid import UUID, uuid4

from pydantic import Field, ValidationError, field_validator

from event_contracts.base import BaseEventData, WireModel
from event_contracts.comparison_requests import Latency
from event_contracts.comparison_results import LLMComparisonResultV1
from event_contracts.errors import InvalidRequest, MalformedEvent, validation_reasons
from event_contracts.fields import (
    MAX_REGIONS,
    Int,
    JsonObject,
    Money,
    Name,
    Number,
    Region,
    Text,
    Url,
    UtcDatetime,
)
from event_contracts.json_values import MAX_MESSAGE_VALUES, holds_too_many_values
from event_contracts.topics import topic_of
from event_contracts.trace_context import TRACEPARENT, TRACESTATE, TraceContext

DataT = TypeVar("DataT", bound=WireModel)


class SourceService(StrEnum):
    """What the suite's own parts call themselves."""

    CJ_ASSESSMENT = "cj_assessment_service"
    LLM_PROVIDER = "llm_provider_service"
    BATCH_CONDUCTOR = "batch_conductor_service"
    BATCH_RUNNER = "batch_runner"


CONTENT_TYPE: Final = b"application/json"
SHARES_TOLERANCE: Final = 1e-6
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Of one message: many times what a broker takes, and what 5,000 essays need."""


class PanelJudge(WireModel):
    """One judge of a panel, and the share of the comparisons that it gets."""

    provider: Name
    model: Name
    share: Annotated[Number, Field(gt=0, le=1)]


class EnvelopeHints(WireModel):
    """Per-batch hints that the sender put into the metadata; null is the service's default.

    A `relaxed` batch is judged in at most three rounds, each a job of the vendor's half-price batch API.
    """

    max_comparisons: Annotated[Int, Field(gt=0)] | None = None
    max_cost_usd: Annotated[Money, Field(gt=0)] | None = None
    target_reliability: Annotated[Number, Field(gt=0, lt=1)] | None = None
    callback_url: Url | None = None
    judge_panel: Annotated[tuple[PanelJudge, ...], Field(min_length=2, max_length=8)] | None = None
    allowed_regions: Annotated[tuple[Region, ...], Field(min_length=1, max_length=MAX_REGIONS)] | None = None
    latency: Latency | None = None

    @field_validator("judge_panel")
    @classmethod
    def _check_panel(cls, panel: tuple[PanelJudge, ...] | None) -> tuple[PanelJudge, ...] | None:
        if panel is not None:
            if abs(sum(judge.share for judge in panel) - 1) > SHARES_TOLERANCE:
                raise ValueError("the shares of a panel must add up to 1")
            if len({(judge.provider, judge.model) for judge in panel}) < len(panel):
                raise ValueError("duplicate judge: list each judge once")
        return panel

    @classmethod
    def of(cls, metadata: JsonObject | None) -> Self:
        """Read the hints; InvalidRequest says which one is wrong."""
        try:
            return cls.model_validate(metadata or {})
        except ValidationError as error:
            raise InvalidRequest.of(error) from error


class EventEnvelope(WireModel, Generic[DataT]):
    """One message: what happened, when, by whom, in which chain of events."""

    event_id: UUID
    event_type: Name
    event_timestamp: UtcDatetime
    source_service: Name
    schema_version: Annotated[Int, Field(ge=1)] = 1
    correlation_id: UUID
    data_schema_uri: Text | None = None
    data: DataT
    metadata: JsonObject | None = None

    @classmethod
    def wrap(
        cls,
        data: DataT,
        *,
        source_service: str,
        correlation_id: UUID,
        metadata: JsonObject | None = None,
        event_timestamp: datetime | None = None,
        event_id: UUID | None = None,
        trace: TraceContext | None = None,
    ) -> "EventEnvelope[DataT]":
        """Envelope a new event: its type is its topic; its id is new and its time now unless given."""
        if trace is not None:
            metadata = {**(metadata or {}), **trace.fields()}
        return envelope_type(type(data))(
            event_id=event_id or uuid4(),
            event_type=topic_of(type(data)),
            event_timestamp=event_timestamp or datetime.now(UTC),
            source_service=source_service,
            correlation_id=correlation_id,
            data=data,
            metadata=metadata,
        )

    @property
    def key(self) -> str:
        """The message key: the batch id where a batch is concerned, so that its events stay in order."""
        data = self.data
        if isinstance(data, LLMComparisonResultV1):
            batch_id = data.request_metadata.get("bos_batch_id")
        else:
            # Asking for an attribute that a model does not have costs more than the rest of its message.
            batch_id = vars(data).get("batch_id")
        if batch_id is None and isinstance(data, BaseEventData):
            batch_id = data.entity_id
        return str(batch_id or self.correlation_id)

    @property
    def trace(self) -> TraceContext | None:
        """The span that the event continues, by its metadata."""
        metadata = self.metadata or {}
        return TraceContext.of(metadata.get(TRACEPARENT), metadata.get(TRACESTATE))

    def continuing(self, trace: TraceContext) -> Self:
        """The same event as a part of this span."""
        return self.model_copy(update={"metadata": {**(self.metadata or {}), **trace.fields()}})

    def hints(self) -> EnvelopeHints:
        """The sender's wishes; InvalidRequest says which one is wrong."""
        return EnvelopeHints.of(self.metadata)

    def to_json(self) -> bytes:
        """The message value, UTF-8."""
        left_out = self.data.left_out()
        return self.model_dump_json(exclude={"data": left_out} if left_out else None).encode()

    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """The message headers: what a reader may want to know before it parses the value.

        `trace_id` is that of the W3C trace context, and the correlation id where there is none.
        """
        named = (
            ("event_id", str(self.event_id).encode()),
            ("event_type", self.event_type.encode()),
            ("correlation_id", str(self.correlation_id).encode()),
            ("source_service", self.source_service.encode()),
            ("schema_version", str(self.schema_version).encode()),
            ("occurred_at", self.event_timestamp.isoformat().encode()),
            ("content_type", CONTENT_TYPE),
        )
        trace = self.trace
        if trace is None:
            return (*named, ("trace_id", self.correlation_id.hex.encode()))
        context = ((name, value.encode()) for name, value in trace.fields().items())
        return (*named, ("trace_id", trace.trace_id.encode()), *context)


def envelope_type(data_type: type[DataT]) -> type[EventEnvelope[DataT]]:
    """The envelope of one event, for wherever a type is needed that is only known when the program runs."""
    return cast("type[EventEnvelope[DataT]]", _parametrised(data_type))


@cache
def _parametrised(data_type: type[WireModel]) -> object:
    return EventEnvelope.__class_getitem__(data_type)


def parse_envelope(value: bytes, data_type: type[DataT]) -> EventEnvelope[DataT]:
    """Read a message value, whatever its bytes are.

    Raises nothing but MalformedEvent, which says which fields are wrong, without their values.
    """
    topic = topic_of(data_type)
    if len(value) > MAX_MESSAGE_BYTES or holds_too_many_values(value):
        limits = f"{MAX_MESSAGE_BYTES} bytes or {MAX_MESSAGE_VALUES} values"
        raise MalformedEvent(f"not a {topic} message", reasons=(f"message: has more than {limits}",))
    try:
        envelope = envelope_type(data_type).model_validate_json(value)
    except ValidationError as error:
        raise MalformedEvent(f"not a {topic} message", reasons=validation_reasons(error)) from error
    # The platform's services write the topic or the name of the model.
    if envelope.event_type not in (topic, data_type.__name__):
        raise MalformedEvent(f"not a {topic} message", reasons=("event_type: names another event",))
    return envelope
