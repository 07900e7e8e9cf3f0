"""Building blocks that several contracts share: the frozen wire model, statuses, courses, references, metadata."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from event_contracts.fields import (
    MAX_INTEGER,
    MAX_RESULTS_PER_BATCH,
    Identifier,
    JsonObject,
    Name,
    Text,
    UtcDatetime,
    check_json,
)


class WireModel(BaseModel):
    """A frozen value on the wire: unknown fields are ignored, numbers are never read out of strings."""

    # A validation error must not quote its input: it may be essay text.
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        protected_namespaces=(),
        hide_input_in_errors=True,
    )

    def left_out(self) -> Mapping[str, Any]:
        """What is not written at all, as pydantic's ``exclude``: a reader takes the default for it."""
        return {}


class OpenModel(WireModel):
    """An object that later versions may extend: keys that are not known are kept.

    They may hold what a ``JsonObject`` may. Only the message limits their size, as a result's notes may name thousands
    of essays.
    """

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _check_unknown_keys(self) -> Self:
        check_json(self.model_extra or {}, max_values=MAX_INTEGER, max_characters=MAX_INTEGER)
        return self


class SparseModel(OpenModel):
    """A value of which the fields that were given are written, and no others."""

    @model_serializer(mode="wrap")
    def _given(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if name in self.model_fields_set}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """That of its fields: what is written has no others."""
        return handler(_without_serializers(schema))


def _without_serializers(schema: Any) -> Any:
    inner = schema.get("schema")
    parts = {part: value for part, value in schema.items() if part != "serialization"}
    return parts if inner is None else {**parts, "schema": _without_serializers(inner)}


class ProcessingStage(StrEnum):
    """Where one entity is in its processing."""

    PENDING = "pending"
    INITIALIZED = "initialized"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class BatchStatus(StrEnum):
    """Where a batch is in the platform's life cycle."""

    AWAITING_CONTENT_VALIDATION = "awaiting_content_validation"
    CONTENT_INGESTION_FAILED = "content_ingestion_failed"
    AWAITING_PIPELINE_CONFIGURATION = "awaiting_pipeline_configuration"
    READY_FOR_PIPELINE_EXECUTION = "ready_for_pipeline_execution"
    PROCESSING_PIPELINES = "processing_pipelines"
    AWAITING_STUDENT_VALIDATION = "awaiting_student_validation"
    STUDENT_VALIDATION_COMPLETED = "student_validation_completed"
    VALIDATION_TIMEOUT_PROCESSED = "validation_timeout_processed"
    COMPLETED_SUCCESSFULLY = "completed_successfully"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    FAILED_CRITICALLY = "failed_critically"
    CANCELLED = "cancelled"


class ContentType(StrEnum):
    """What a stored text is."""

    ORIGINAL_ESSAY = "original_essay"
    CORRECTED_TEXT = "corrected_text"
    PROCESSING_LOG = "processing_log"
    NLP_METRICS_JSON = "nlp_metrics_json"
    STUDENT_FACING_AI_FEEDBACK_TEXT = "student_facing_ai_feedback_text"
    AI_EDITOR_REVISION_TEXT = "ai_editor_revision_text"
    AI_DETAILED_ANALYSIS_JSON = "ai_detailed_analysis_json"
    GRAMMAR_ANALYSIS_JSON = "grammar_analysis_json"
    CJ_RESULTS_JSON = "cj_results_json"
    RAW_UPLOAD_BLOB = "raw_upload_blob"
    EXTRACTED_PLAINTEXT = "extracted_plaintext"
    STUDENT_PROMPT_TEXT = "student_prompt_text"


class Language(StrEnum):
    """Languages that essays are written in."""

    ENGLISH = "en"
    SWEDISH = "sv"


class CourseCode(StrEnum):
    """Courses of the Swedish upper secondary school that the platform serves."""

    ENG5 = "ENG5"
    ENG6 = "ENG6"
    ENG7 = "ENG7"
    SV1 = "SV1"
    SV2 = "SV2"
    SV3 = "SV3"


_COURSE_LANGUAGES: Final[Mapping[CourseCode, Language]] = {
    CourseCode.ENG5: Language.ENGLISH,
    CourseCode.ENG6: Language.ENGLISH,
    CourseCode.ENG7: Language.ENGLISH,
    CourseCode.SV1: Language.SWEDISH,
    CourseCode.SV2: Language.SWEDISH,
    CourseCode.SV3: Language.SWEDISH,
}


def course_language(course: CourseCode) -> Language:
    """The language that a course's essays are written in."""
    return _COURSE_LANGUAGES[course]


class StoredText(WireModel):
    """Where one stored text is found."""

    storage_id: Identifier
    path: Text | None = None


class StorageReferenceMetadata(WireModel):
    """Stored texts by what they are."""

    references: Annotated[dict[ContentType, StoredText], Field(max_length=len(ContentType))]

    def storage_id(self, content_type: ContentType) -> str | None:
        """The storage id of one kind of text, or None where there is none."""
        stored = self.references.get(content_type)
        return stored.storage_id if stored else None


class EssayProcessingInputRefV1(WireModel):
    """One essay of a batch and the id under which the content service keeps its text."""

    essay_id: Identifier
    text_storage_id: Identifier
    spellcheck_metrics: JsonObject | None = None


EssayIds = Annotated[tuple[Identifier, ...], Field(max_length=MAX_RESULTS_PER_BATCH)]
"""Ids of a batch's essays."""


def _known_stage(value: object) -> object:
    """A stage that a later platform has added says nothing to us, and is not a reason to refuse its message."""
    return None if isinstance(value, str) and value not in set(ProcessingStage) else value


KnownStage = Annotated[ProcessingStage | None, BeforeValidator(_known_stage)]


class SystemProcessingMetadata(WireModel):
    """Who is being processed, at which stage, since when and with which error."""

    entity_id: Identifier | None = None
    entity_type: Name | None = None
    parent_id: Text | None = None
    timestamp: UtcDatetime
    processing_stage: KnownStage = None
    started_at: UtcDatetime | None = None
    completed_at: UtcDatetime | None = None
    event: Name | None = None
    error_info: JsonObject = Field(default_factory=dict)


class BaseEventData(WireModel):
    """What most events say first: which event, about which entity, when; peers may leave the entity out."""

    event_name: Name
    entity_id: Identifier | None = None
    entity_type: Name | None = None
    parent_id: Text | None = None
    timestamp: UtcDatetime


class ProcessingUpdate(BaseEventData):
    """A change of a batch's status."""

    entity_id: Identifier
    status: BatchStatus
    system_metadata: SystemProcessingMetadata
