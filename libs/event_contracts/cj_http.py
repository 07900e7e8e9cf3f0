"""The CJ Assessment service's HTTP payloads: progress, results, comparisons, content and anchors."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field

from event_contracts.assessment import MAX_GATES, AssessmentResultV1, GateView, StopReason
from event_contracts.base import CourseCode, WireModel
from event_contracts.comparison_results import LogOdds, Margin, Winner
from event_contracts.errors import ErrorDetail
from event_contracts.fields import (
    MAX_RESULTS_PER_BATCH,
    Count,
    Flag,
    Identifier,
    Int,
    LargeCount,
    LongText,
    Money,
    Name,
    Number,
    Sha256Hex,
    Share,
    Text,
    UtcDatetime,
)

MAX_COMPARISONS_PER_PAGE: Final = 1_000
MAX_ANCHORS_PER_ASSIGNMENT: Final = MAX_RESULTS_PER_BATCH
MIN_ANCHOR_CHARACTERS: Final = 100


class AssessmentState(StrEnum):
    """Where a batch is in the CJ Assessment service; the last four are final."""

    ACCEPTED = "accepted"
    JUDGING = "judging"
    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL_STATES: Final = frozenset(
    {
        AssessmentState.COMPLETED,
        AssessmentState.COMPLETED_WITH_FAILURES,
        AssessmentState.FAILED,
        AssessmentState.CANCELLED,
    }
)


class ComparisonState(StrEnum):
    """Where one comparison is; the last three are final."""

    PENDING = "pending"
    SUBMITTED = "submitted"
    JUDGED = "judged"
    FAILED = "failed"
    ABANDONED = "abandoned"


class AssessmentAccepted(WireModel):
    """202: the batch is on record."""

    batch_id: Identifier
    cj_assessment_job_id: Identifier


class BatchProgress(WireModel):
    """A batch counted in essays and comparisons; `waiting` are pending or submitted."""

    essays: Count
    anchors: Count = 0
    comparisons_waiting: Count
    comparisons_judged: Count
    comparisons_failed: Count
    max_comparisons: Count | None = None


class BatchCost(WireModel):
    """US dollars spent so far and allowed; `prices_known` is false where some call had no price."""

    cost_usd: Money
    max_cost_usd: Money | None = None
    prices_known: Flag = True


class ReliabilityView(WireModel):
    """Reliability so far; null what cannot be computed yet. Decisions are taken on `eb`."""

    eb: Number | None = None
    ssr: Number | None = None
    ssr_prime: Number | None = None
    split_half: Number | None = None
    target: Share | None = None
    gates: Annotated[Mapping[Name, GateView], Field(max_length=MAX_GATES)] = Field(default_factory=dict)


class UntilTargetView(WireModel):
    """Comparisons until the target is reached: expected, and a range that four batches in five keep to."""

    comparisons: LargeCount
    low: LargeCount
    high: LargeCount
    cost_usd: Money | None = None


class ForecastView(WireModel):
    """What the next `comparisons` would bring, counted from the last fit; `eb` is the reliability after them.

    `until_target` is null while the essays cannot be told apart from equal ones; costs are null without a known price.
    """

    comparisons: LargeCount
    eb: Number
    cost_usd: Money | None = None
    until_target: UntilTargetView | None = None


class BlockingProblem(WireModel):
    """What keeps an open batch from continuing, since when, and how many comparisons it concerns."""

    code: Identifier
    message: Text
    since: UtcDatetime
    comparisons: Count


class BatchStatusView(WireModel):
    """GET /api/v1/batches/{id}."""

    batch_id: Identifier
    cj_assessment_job_id: Identifier
    correlation_id: UUID
    assignment_id: Identifier | None = None
    course_code: CourseCode
    state: AssessmentState
    stop_reason: StopReason | None = None
    progress: BatchProgress
    cost: BatchCost
    reliability: ReliabilityView
    forecast: ForecastView | None = None
    created_at: UtcDatetime
    updated_at: UtcDatetime
    completed_at: UtcDatetime | None = None
    deadline: UtcDatetime | None = None
    error: ErrorDetail | None = None
    problem: BlockingProblem | None = None


class BatchResultsView(WireModel):
    """GET /api/v1/batches/{id}/results: the published event, with the state of its batch."""

    batch_id: Identifier
    cj_assessment_job_id: Identifier
    state: AssessmentState
    result: AssessmentResultV1


class ComparisonView(WireModel):
    """One comparison: who stood in which slot, who won, by how much, why, what it cost.

    `panel_place` is the place in the batch's panel of the judge who was asked. Of several attempts the one that was
    answered is shown, else the last; tokens and cost are those of all.
    """

    comparison_id: Identifier
    essay_a_id: Identifier
    essay_b_id: Identifier
    round: Annotated[Int, Field(ge=0)]
    state: ComparisonState
    winner: Winner | None = None
    justification: Text | None = None
    confidence: Annotated[Number, Field(ge=1, le=5)] | None = None
    margin: Margin | None = None
    log_odds_a: LogOdds | None = None
    provider: Name | None = None
    model: Name | None = None
    attempts: Count
    cost_usd: Money
    prompt_sha256: Sha256Hex | None = None
    error_code: Name | None = None
    judged_at: UtcDatetime | None = None
    panel_place: Count = 0
    request_id: Identifier | None = None
    prompt_tokens: LargeCount | None = None
    completion_tokens: LargeCount | None = None
    requested_at: UtcDatetime | None = None
    ended_at: UtcDatetime | None = None
    failure_reason: Text | None = None


class ComparisonPage(WireModel):
    """GET /api/v1/batches/{id}/comparisons; `next_cursor` asks for the next page, null on the last."""

    batch_id: Identifier
    total: Count
    items: Annotated[tuple[ComparisonView, ...], Field(max_length=MAX_COMPARISONS_PER_PAGE)]
    next_cursor: Identifier | None = None


class ContentStored(WireModel):
    """201: the text is kept under an id that its bytes determine."""

    storage_id: Identifier


class AnchorRegistration(WireModel):
    """POST /api/v1/anchors/register; without `grade_scale` the assignment's own scale is meant.

    Without `anchor_label` one is made from the grade and the next free number.
    """

    assignment_id: Annotated[Identifier, Field(max_length=100)]
    grade: Name
    essay_text: Annotated[LongText, Field(min_length=MIN_ANCHOR_CHARACTERS)]
    anchor_label: Identifier | None = None
    grade_scale: Name | None = None


class AnchorView(WireModel):
    """One anchor essay on record."""

    anchor_id: LargeCount
    assignment_id: Identifier
    anchor_label: Identifier
    grade: Name
    grade_scale: Name
    storage_id: Identifier
    text_storage_id: Identifier
    created_at: UtcDatetime
    status: Literal["registered"] = "registered"


class AssignmentAnchors(WireModel):
    """GET /api/v1/anchors/assignment/{id}."""

    assignment_id: Identifier
    anchors: Annotated[tuple[AnchorView, ...], Field(max_length=MAX_ANCHORS_PER_ASSIGNMENT)]
