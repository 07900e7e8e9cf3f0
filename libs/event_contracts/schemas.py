"""JSON Schemas of every event and HTTP payload and the AsyncAPI document, generated from the models."""

from typing import Final

from pydantic import BaseModel, JsonValue
from pydantic.json_schema import models_json_schema

from event_contracts.admin_http import (
    AdminAnchors,
    BatchPage,
    ChangePage,
    Deleted,
    ErasureView,
    InstructionPage,
    InstructionUpsert,
    InstructionView,
    JudgeRubricUpload,
    JudgeRubricView,
    ScaleList,
    StudentPromptUpload,
    StudentPromptView,
)
from event_contracts.cj_http import (
    AnchorRegistration,
    AnchorView,
    AssessmentAccepted,
    AssignmentAnchors,
    BatchResultsView,
    BatchStatusView,
    ComparisonPage,
    ContentStored,
)
from event_contracts.comparison_requests import (
    ComparisonAccepted,
    ComparisonBatchAnswer,
    ComparisonBatchRequest,
    ComparisonRequest,
    RequestStatus,
)
from event_contracts.conductor import (
    BatchPhases,
    PhaseCompletion,
    PipelineRequest,
    PipelineResolution,
    PipelineValidation,
)
from event_contracts.envelope import envelope_type
from event_contracts.errors import ErrorBody
from event_contracts.topics import ALL_TOPICS, Party, TopicSpec

HTTP_PAYLOADS: Final[tuple[type[BaseModel], ...]] = (
    AdminAnchors,
    AnchorRegistration,
    AnchorView,
    AssessmentAccepted,
    AssignmentAnchors,
    BatchPage,
    ChangePage,
    Deleted,
    ErasureView,
    InstructionPage,
    InstructionUpsert,
    InstructionView,
    JudgeRubricUpload,
    JudgeRubricView,
    ScaleList,
    StudentPromptUpload,
    StudentPromptView,
    BatchPhases,
    BatchResultsView,
    BatchStatusView,
    ComparisonAccepted,
    ComparisonBatchAnswer,
    ComparisonBatchRequest,
    ComparisonPage,
    ComparisonRequest,
    ContentStored,
    ErrorBody,
    PhaseCompletion,
    PipelineRequest,
    PipelineResolution,
    PipelineValidation,
    RequestStatus,
)
"""Bodies of requests and answers; the events' envelopes are bodies too (assessments and callbacks)."""

API_VERSION: Final = "1"
"""The version of the wire, in paths (`/api/v1`), names of events and published documents: not that of the suite.

A field that is added leaves it; what would be renamed, retyped or removed stays, and gets a version beside it.
"""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_OURS: Final = frozenset({Party.BATCH_RUNNER, Party.CJ_ASSESSMENT, Party.LLM_PROVIDER, Party.BATCH_CONDUCTOR})
_HEADERS: Final[dict[str, JsonValue]] = {
    "type": "object",
    "required": [
        "event_id",
        "event_type",
        "correlation_id",
        "source_service",
        "schema_version",
        "occurred_at",
        "content_type",
        "trace_id",
    ],
    "properties": {
        "event_id": {"type": "string", "format": "uuid"},
        "event_type": {"type": "string"},
        "correlation_id": {"type": "string", "format": "uuid"},
        "source_service": {"type": "string"},
        "schema_version": {"type": "string"},
        "occurred_at": {"type": "string", "format": "date-time"},
        "content_type": {"const": "application/json"},
        "trace_id": {"type": "string"},
        "traceparent": {"type": "string", "description": "W3C trace context"},
    },
}


def json_schemas() -> dict[str, dict[str, JsonValue]]:
    """JSON Schema (2020-12) by name: `events/<event>` with its envelope, `http/<payload>`."""
    events = {f"events/{spec.event.__name__}": _envelope(spec) for spec in ALL_TOPICS}
    payloads = {f"http/{payload.__name__}": payload for payload in HTTP_PAYLOADS}
    return {
        name: {"$schema": _DIALECT, **model.model_json_schema()}
        for name, model in sorted({**events, **payloads}.items())
    }


def asyncapi_document(*, version: str) -> dict[str, JsonValue]:
    """AsyncAPI 3.0 of everything that the suite sends and receives over Kafka; `version` is `API_VERSION`."""
    references, definitions = models_json_schema(
        [(_envelope(spec), "validation") for spec in ALL_TOPICS],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Comparative judgement suite",
            "version": version,
            "description": "Events of the suite. A message that cannot be handled goes to <topic>.DLQ.",
        },
        "defaultContentType": "application/json",
        "channels": {spec.topic.value: _channel(spec) for spec in ALL_TOPICS},
        "operations": {name: action for spec in ALL_TOPICS for name, action in _operations(spec).items()},
        "components": {
            "messages": {
                spec.event.__name__: _message(spec, payload=references[_envelope(spec), "validation"])
                for spec in ALL_TOPICS
            },
            "schemas": definitions["$defs"],
        },
    }


def _envelope(spec: TopicSpec) -> type[BaseModel]:
    return envelope_type(spec.event)


def _channel(spec: TopicSpec) -> dict[str, JsonValue]:
    return {
        "address": spec.topic.value,
        "description": f"From {', '.join(spec.producers)} to {', '.join(spec.consumers)}.",
        "messages": {spec.event.__name__: {"$ref": f"#/components/messages/{spec.event.__name__}"}},
    }


def _operations(spec: TopicSpec) -> dict[str, JsonValue]:
    sides = {"send": spec.producers, "receive": spec.consumers}
    return {
        f"{action}_{spec.event.__name__}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{spec.topic.value}"},
            "messages": [{"$ref": f"#/channels/{spec.topic.value}/messages/{spec.event.__name__}"}],
        }
        for action, parties in sides.items()
        if _OURS.intersection(parties)
    }


def _message(spec: TopicSpec, *, payload: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {
        "name": spec.event.__name__,
        "summary": (spec.event.__doc__ or "").partition("\n")[0],
        "contentType": "application/json",
        "headers": _HEADERS,
        "payload": payload,
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
    }
