"""Building blocks that several contracts share: the frozen wire model, exact scalars, references, metadata.

Money is `Decimal` inside and a JSON number on the wire. JSON numbers travel through binary floats, so an
amount is accepted only when a float carries it exactly (any amount of up to 15 significant digits, and
whatever a peer sent as a float); anything longer is refused rather than rounded in silence. Round with
`usd()` first where a division made more digits. An amount arriving as a JSON string is read too, never
written.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Annotated, Final, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    Strict,
    StringConstraints,
    WithJsonSchema,
)

_BROKEN: Final = re.compile("[\ud800-\udfff]")
_USD_STEP: Final = Decimal("0.0000000001")


def usd(amount: Decimal) -> Decimal:
    """Round an amount to ten decimals of a dollar, half to even: the finest step that the wire carries."""
    return amount.quantize(_USD_STEP, rounding=ROUND_HALF_EVEN).normalize()


def _exact_on_the_wire(amount: Decimal) -> Decimal:
    if Decimal(repr(float(amount))) != amount:
        raise ValueError("has more digits than a JSON number carries exactly: round it with usd() first")
    return amount


def _as_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _no_bare_numbers(value: object) -> object:
    if not isinstance(value, str | datetime) or (isinstance(value, str) and "T" not in value.upper()):
        raise ValueError("must be an ISO 8601 date and time with its offset, such as 2026-03-01T08:00:00Z")
    return value


def _finite(value: JsonValue) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_finite(item) for item in value.values())
    return all(_finite(item) for item in value) if isinstance(value, list) else True


def _is_plain(value: JsonValue) -> bool:
    """Numbers are finite, and text is what databases keep: one walk, as it is made for every message."""
    if isinstance(value, str):
        return "\x00" not in value and (value.isascii() or _BROKEN.search(value) is None)
    if isinstance(value, dict):
        return all(_is_plain(key) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


def _plain_json(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if _is_plain(value):
        return value
    if not _finite(value):
        raise ValueError("holds NaN or an infinity, which JSON has no number for")
    raise ValueError("holds a NUL character or half a surrogate pair, which no database keeps")


Money: TypeAlias = Annotated[
    Decimal,
    Field(ge=0, allow_inf_nan=False),
    AfterValidator(_exact_on_the_wire),
    PlainSerializer(float, return_type=float, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": 0}),
]
"""US dollars, zero or more; see the module docstring for how they travel."""

UtcDatetime: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_no_bare_numbers), AfterValidator(_as_utc)]
"""A moment with its offset, kept in UTC; a naive one is refused: guessing its zone would be a repair."""

JsonObject: TypeAlias = Annotated[dict[str, JsonValue], AfterValidator(_plain_json)]
"""A free JSON object whose keys belong to whoever wrote it."""

Int: TypeAlias = Annotated[int, Strict()]
Number: TypeAlias = Annotated[float, Strict()]
Flag: TypeAlias = Annotated[bool, Strict()]
Count: TypeAlias = Annotated[int, Strict(), Field(ge=0)]
Seconds: TypeAlias = Annotated[float, Strict(), Field(ge=0)]
Share: TypeAlias = Annotated[float, Strict(), Field(ge=0, le=1)]
Id: TypeAlias = Annotated[str, StringConstraints(min_length=1)]
Sha256Hex: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


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

    storage_id: Id
    path: str | None = None


class StorageReferenceMetadata(WireModel):
    """Stored texts by what they are."""

    references: dict[ContentType, StoredText]

    def storage_id(self, content_type: ContentType) -> str | None:
        """The storage id of one kind of text, or None where there is none."""
        stored = self.references.get(content_type)
        return stored.storage_id if stored else None


class EssayProcessingInputRefV1(WireModel):
    """One essay of a batch and the id under which the content service keeps its text."""

    essay_id: Id
    text_storage_id: Id
    spellcheck_metrics: JsonObject | None = None


class SystemProcessingMetadata(WireModel):
    """Who is being processed, at which stage, since when and with which error."""

    entity_id: Id
    entity_type: Id
    parent_id: str | None = None
    timestamp: UtcDatetime
    processing_stage: ProcessingStage | None = None
    started_at: UtcDatetime | None = None
    completed_at: UtcDatetime | None = None
    event: str | None = None
    error_info: JsonObject = Field(default_factory=dict)


class BaseEventData(WireModel):
    """What most events say first: which event, about which entity, when."""

    event_name: Id
    entity_id: Id
    entity_type: Id
    parent_id: str | None = None
    timestamp: UtcDatetime


class ProcessingUpdate(BaseEventData):
    """A change of a batch's status."""

    status: BatchStatus
    system_metadata: SystemProcessingMetadata
