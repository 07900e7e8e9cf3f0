"""The CJ Assessment service's events: the request that starts a batch and the four that end it."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import Field, StringConstraints, ValidationError, model_validator

from event_contracts.base import (
    BaseEventData,
    BatchStatus,
    CourseCode,
    EssayIds,
    EssayProcessingInputRefV1,
    OpenModel,
    ProcessingUpdate,
    SparseModel,
    StorageReferenceMetadata,
    SystemProcessingMetadata,
    WireModel,
)
from event_contracts.comparison_requests import LLMConfigOverrides
from event_contracts.errors import ErrorDetail
from event_contracts.fields import (
    MAX_ESSAYS_PER_BATCH,
    MAX_RESULTS_PER_BATCH,
    Count,
    Flag,
    Identifier,
    Int,
    JsonObject,
    LongText,
    Money,
    Name,
    Number,
    Seconds,
    Share,
    Text,
    UtcDatetime,
)

MAX_GRADES: Final = 100
MAX_SIGNALS: Final = 100
MAX_ERROR_CODES: Final = 1_000
MAX_STATISTICS: Final = 100
MAX_GATES: Final = 100
UNGRADED: Final = "U"
"""The letter grade of an essay for which no grade could be projected."""

LETTER_GRADE_PATTERN: Final = "^([A-F][+-]?|U)$"
"""What the aggregator takes: it drops a result whole where one grade does not match."""

_LETTER_GRADE: Final = re.compile("[A-F][+-]?|U")


class EventName(StrEnum):
    """Short names that `event_name` carries."""

    CJ_ASSESSMENT_REQUESTED = "els.cj_assessment.requested"
    CJ_ASSESSMENT_COMPLETED = "cj_assessment.completed"
    CJ_ASSESSMENT_FAILED = "cj_assessment.failed"
    ASSESSMENT_RESULT_PUBLISHED = "assessment.result.published"
    RESOURCE_CONSUMPTION_REPORTED = "resource.consumption.reported"


class ELS_CJAssessmentRequestV1(BaseEventData):  # noqa: N801 - the platform's own name of this event
    """Assess these essays; `entity_id` is the batch id of the batch orchestrator.

    What a batch must fulfil beyond its shape (two essays, no id twice, a scale with anchors) is checked when
    it is started, so that a wrong batch ends in a failed event rather than on the dead-letter topic.
    """

    entity_id: Identifier
    system_metadata: SystemProcessingMetadata
    essays_for_cj: Annotated[tuple[EssayProcessingInputRefV1, ...], Field(max_length=MAX_ESSAYS_PER_BATCH)]
    language: Name
    course_code: CourseCode
    student_prompt_ref: StorageReferenceMetadata | None = None
    llm_config_overrides: LLMConfigOverrides | None = None
    assignment_id: Annotated[Identifier, Field(max_length=100)] | None = None
    user_id: Name
    org_id: Name | None = None


class ProcessingSummary(WireModel):
    """Counts and ids of essays that succeeded and of those that failed."""

    total_essays: Count
    successful: Count
    failed: Count
    successful_essay_ids: EssayIds = ()
    failed_essay_ids: EssayIds = ()
    processing_time_seconds: Seconds
    single_essay_batch: Flag = False


class CJAssessmentCompletedV1(ProcessingUpdate):
    """A batch has ended: state only, no scores.

    One without a result ends with `failed_critically`, in addition to its `CJAssessmentFailedV1`: the essay lifecycle
    listens to this event alone.
    """

    status: Literal[
        BatchStatus.COMPLETED_SUCCESSFULLY, BatchStatus.COMPLETED_WITH_FAILURES, BatchStatus.FAILED_CRITICALLY
    ]
    cj_assessment_job_id: Identifier
    processing_summary: ProcessingSummary


class CJAssessmentFailedV1(ProcessingUpdate):
    """A batch could not be done; `system_metadata.error_info` is the ErrorDetail that says why."""

    status: Literal[BatchStatus.FAILED_CRITICALLY]
    cj_assessment_job_id: Identifier

    @model_validator(mode="after")
    def _check_reason(self) -> Self:
        try:
            self.error_detail()
        except ValidationError:
            raise ValueError("system_metadata.error_info must hold an ErrorDetail") from None
        return self

    def error_detail(self) -> ErrorDetail:
        """Why the batch failed."""
        return ErrorDetail.model_validate(self.system_metadata.error_info)


class ConfidenceLabel(StrEnum):
    """How sure a grade is: HIGH from .8, MID from .6 of its probability."""

    HIGH = "HIGH"
    MID = "MID"
    LOW = "LOW"


class StopReason(StrEnum):
    """Why judging ended."""

    TARGET_REACHED = "target_reached"
    BUDGET_COMPARISONS = "budget_comparisons"
    BUDGET_COST = "budget_cost"
    DEADLINE = "deadline"
    EXHAUSTED = "exhausted"
    CANCELLED = "cancelled"
    FAILED = "failed"


ValueT = TypeVar("ValueT")
ByEssay = Annotated[dict[Identifier, ValueT], Field(max_length=MAX_RESULTS_PER_BATCH)]
ByGrade = Annotated[dict[Name, ValueT], Field(max_length=MAX_GRADES)]


LetterGrade = Annotated[str, StringConstraints(max_length=2, pattern=LETTER_GRADE_PATTERN)]


def letter_grade(grade: str | None) -> str:
    """A grade as the aggregator takes it: itself where it fits its pattern, else U."""
    return grade if grade is not None and _LETTER_GRADE.fullmatch(grade) else UNGRADED


class EssayResultV1(WireModel):
    """One essay's place in the ranking and its grade; `bt_score` is in logits.

    `grade` is the scale's own code, null without one; `letter_grade` is the same where the aggregator's pattern has
    room for it, and U elsewhere.
    """

    essay_id: Identifier
    normalized_score: Share
    letter_grade: LetterGrade
    grade: Name | None = None
    confidence_score: Share
    confidence_label: ConfidenceLabel
    bt_score: Number
    rank: Annotated[Int, Field(gt=0)]
    is_anchor: Flag = False
    feedback_uri: Text | None = None
    metrics_uri: Text | None = None
    display_name: Text | None = None


class BtStats(WireModel):
    """Ability and its standard error, in logits."""

    bt_mean: Number
    bt_se: Annotated[Number, Field(ge=0)]


class GradeProjectionSummary(WireModel):
    """Grades by essay id, with how sure they are; empty maps where no grades could be projected."""

    projections_available: Flag
    primary_grades: ByEssay[Name] = Field(default_factory=dict)
    confidence_labels: ByEssay[ConfidenceLabel] = Field(default_factory=dict)
    confidence_scores: ByEssay[Share] = Field(default_factory=dict)
    grade_probabilities: ByEssay[ByGrade[Share]] = Field(default_factory=dict)
    calibration_info: JsonObject = Field(default_factory=dict)
    bt_stats: ByEssay[BtStats] = Field(default_factory=dict)


class LookAt(WireModel):
    """Why a person should look at an essay."""

    signals: Annotated[tuple[Name, ...], Field(max_length=MAX_SIGNALS)] = ()
    hidden_characters: Count = 0


class FailedComparisons(WireModel):
    """How many comparisons could not be judged, for which reasons, and of which essays."""

    total: Count = 0
    by_error_code: Annotated[dict[Name, Count], Field(max_length=MAX_ERROR_CODES)] = Field(
        default_factory=dict
    )
    by_essay: ByEssay[Count] = Field(default_factory=dict)


class ResultNotes(WireModel):
    """What a reader should know besides ranks and grades: further keys of a result's `assessment_metadata`.

    `failed_essays` could not be judged, `unranked_essays` have no place on the scale. `judges` says what each judge's
    share was and how far it agrees with the others, `graded_verdicts` what its margins tell. `problem` kept judging
    from continuing. Keys that are absent, as in a reduced result, say nothing. `not_computed`, which is written where
    there is any, says by statistic why it is missing.
    """

    failed_essays: ByEssay[LongText] = Field(default_factory=dict)
    unranked_essays: ByEssay[LongText] = Field(default_factory=dict)
    failed_comparisons: FailedComparisons = FailedComparisons()
    look_at: ByEssay[LookAt] = Field(default_factory=dict)
    judges: JsonObject = Field(default_factory=dict)
    graded_verdicts: JsonObject = Field(default_factory=dict)
    problem: LongText | None = None
    not_computed: Annotated[dict[Name, LongText], Field(max_length=MAX_STATISTICS)] = Field(
        default_factory=dict
    )

    def left_out(self) -> Mapping[str, Any]:
        """`not_computed` where there is nothing to say."""
        return {} if self.not_computed else {"not_computed": True}


class GateStatus(StrEnum):
    """How a condition of the target stands."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EVALUATED = "not_evaluated"


class GateView(WireModel):
    """A condition of the target: how it stands, its value, and the limit that it must keep."""

    status: GateStatus
    value: Number | None = None
    limit: Number


class ReliabilitySummary(SparseModel):
    """How reliable a ranking is, by several measures. Decisions are taken on `eb`, and `target` was asked for.

    `split_half` is null where halves have too little in common, `is_inflated` says that `ssr` must not be quoted,
    `tau` is the spread of the abilities in logits, `gates` are the conditions of the target by name.
    """

    eb: Number | None = None
    ssr: Number | None = None
    ssr_prime: Number | None = None
    split_half: Number | None = None
    is_inflated: Flag | None = None
    tau: Number | None = None
    gates: Annotated[dict[Name, GateView], Field(max_length=MAX_GATES)] = Field(default_factory=dict)
    target: Number | None = None


class PositionEffect(SparseModel):
    """How much a judge prefers the first slot: `b` and its standard error in logits, from so many comparisons."""

    b: Number | None = None
    se: Number | None = None
    p_first_if_equal: Share | None = None
    comparisons: Count | None = None


class AssessmentMetadata(OpenModel):
    """How a ranking came about; keys that are added later are kept, not dropped."""

    grade_scale: Name
    anchor_essays_used: Count
    anchor_grade_distribution: ByGrade[Count]
    calibration_method: Name | None
    comparison_count: Count
    processing_duration_seconds: Seconds
    llm_temperature: Annotated[Number, Field(ge=0, le=2)] | None
    course_code: CourseCode
    reliability: ReliabilitySummary
    position_bias: JsonObject
    stop_reason: StopReason
    cost_usd: Money
    grade_projections: GradeProjectionSummary
    assignment_id: Identifier | None = None
    grade_projection_summary: GradeProjectionSummary | None = None

    def position_effects(self) -> Mapping[str, PositionEffect]:
        """What `position_bias` holds, by judge. Raises `ValidationError` where another service wrote other things."""
        return {judge: PositionEffect.model_validate(effect) for judge, effect in self.position_bias.items()}

    def notes(self) -> ResultNotes:
        """What is said besides; raises `ValidationError` where a key does not hold what it should."""
        return ResultNotes.model_validate(self.model_extra or {})


_UNSAID: Final = {
    "grade": None,
    "is_anchor": False,
    "feedback_uri": None,
    "metrics_uri": None,
    "display_name": None,
}
"""Optional fields of an essay's result, with what a reader takes for one that is not there."""


class AssessmentResultV1(BaseEventData):
    """The ranking and the grades of a batch, for the result aggregator.

    With `result_ref`, the id of the whole result's content, the event was reduced to what its topic holds: the whole
    is at `GET /api/v1/batches/{id}/results`. A reduced event leaves out `grade_probabilities` and what else is said
    of single essays besides `essay_results`; scores in it have five decimals.
    """

    entity_id: Identifier
    batch_id: Identifier
    cj_assessment_job_id: Identifier
    assignment_id: Identifier | None = None
    assessment_method: Literal["cj_assessment"] = "cj_assessment"
    model_used: Name
    model_provider: Name
    model_version: Name | None = None
    essay_results: Annotated[tuple[EssayResultV1, ...], Field(max_length=MAX_RESULTS_PER_BATCH)]
    assessment_metadata: AssessmentMetadata
    assessed_at: UtcDatetime
    result_ref: Identifier | None = None

    def left_out(self) -> Mapping[str, Any]:
        """Of a reduced event, the optional fields of essays that say nothing."""
        if self.result_ref is None:
            return {}
        unsaid = {
            place: {name for name, default in _UNSAID.items() if getattr(essay, name) == default}
            for place, essay in enumerate(self.essay_results)
        }
        return {"essay_results": unsaid}


class ResourceConsumptionV1(BaseEventData):
    """Comparisons that were really judged and paid for, and by whom."""

    entity_id: Identifier
    user_id: Name
    org_id: Name | None = None
    resource_type: Literal["cj_comparison"] = "cj_comparison"
    quantity: Count
    service_name: Name
    processing_id: Identifier
    consumed_at: UtcDatetime
