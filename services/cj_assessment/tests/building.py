"""Builders that the service's tests share: requests, essays, comparisons, snapshots."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from cj_assessment.domain.batch import (
    Batch,
    Defaults,
    Essay,
    JobId,
    Judge,
    Limits,
    RequestEnvelope,
    new_batch,
)
from cj_assessment.domain.comparison import Asked
from cj_assessment.domain.deciding import DecisionRules, Snapshot, Spending
from event_contracts import (
    ComparisonState,
    CourseCode,
    ELS_CJAssessmentRequestV1,
    EssayProcessingInputRefV1,
    EventEnvelope,
    EventName,
    GradeScale,
    JsonObject,
    LLMConfigOverrides,
    SystemProcessingMetadata,
)

RULES = DecisionRules(
    comparisons_per_essay=30,
    min_comparisons_per_essay=4,
    straggler_timeout=timedelta(seconds=20),
    min_straggler_timeout=timedelta(seconds=2.4),
    max_failed_share=0.5,
    max_grade_change_share=0.5,
)
NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def request(
    essays: Mapping[str, str],
    *,
    batch_id: str | None = None,
    assignment_id: str | None = None,
    overrides: LLMConfigOverrides | None = None,
    hints: JsonObject | None = None,
) -> RequestEnvelope:
    """A request to assess essays, by id and storage id."""
    name = batch_id or f"batch-{uuid4()}"
    now = datetime.now(UTC)
    return EventEnvelope.wrap(
        ELS_CJAssessmentRequestV1(
            event_name=EventName.CJ_ASSESSMENT_REQUESTED,
            entity_id=name,
            entity_type="batch",
            timestamp=now,
            system_metadata=SystemProcessingMetadata(entity_id=name, entity_type="batch", timestamp=now),
            essays_for_cj=tuple(
                EssayProcessingInputRefV1(essay_id=essay_id, text_storage_id=storage_id)
                for essay_id, storage_id in essays.items()
            ),
            language="en",
            course_code=CourseCode.ENG5,
            llm_config_overrides=overrides,
            assignment_id=assignment_id,
            user_id="teacher-1",
            org_id="school-1",
        ),
        source_service="els",
        correlation_id=uuid4(),
        metadata=hints,
    )


def essays(count: int, *, anchors: Mapping[int, str] | None = None) -> tuple[Essay, ...]:
    """Essays e0, e1, …; ``anchors`` gives the grades of some."""
    grades = anchors or {}
    return tuple(
        Essay(
            item=item,
            essay_id=f"e{item}",
            text_storage_id=f"text-{item}",
            anchor_grade=grades.get(item),
            text=f"This is text number {item}.",
        )
        for item in range(count)
    )


def asked(
    slot_a: int,
    slot_b: int,
    state: ComparisonState = ComparisonState.JUDGED,
    *,
    a_won: bool | None = None,
    number: int = 1,
    error_code: str | None = None,
    assigned: int = 0,
) -> Asked:
    """A comparison; a judged one is won by the item of the lower number unless said otherwise."""
    judged = state is ComparisonState.JUDGED
    return Asked(
        round=number,
        slot_a=slot_a,
        slot_b=slot_b,
        state=state,
        a_won=(slot_a < slot_b if a_won is None else a_won) if judged else None,
        judge="mock/simulated" if judged else None,
        error_code=error_code,
        assigned=assigned,
    )


def snapshot(
    essays: tuple[Essay, ...],
    comparisons: Sequence[Asked] = (),
    *,
    scale: GradeScale | None = None,
    judges: tuple[Judge, ...] = (Judge(provider="mock", model="simulated", expected_cost_usd=Decimal(0)),),
    spending: Spending | None = None,
    max_comparisons: int | None = None,
    max_cost_usd: Decimal | None = None,
    target_reliability: float = 0.9,
    deadline: datetime = NOW + timedelta(hours=1),
    last_round: int | None = None,
    is_overdue: bool = False,
    now: datetime = NOW,
    rules: DecisionRules | None = None,
) -> Snapshot:
    """What is known of a batch at ``NOW``."""
    return Snapshot(
        essays=essays,
        asked=comparisons,
        spending=spending or nothing_spent(),
        limits=Limits(
            max_comparisons=max_comparisons,
            max_cost_usd=max_cost_usd,
            target_reliability=target_reliability,
            deadline=deadline,
        ),
        judges=judges,
        scale=scale,
        last_round=max((pair.round for pair in comparisons), default=0) if last_round is None else last_round,
        is_overdue=is_overdue,
        seed=7,
        now=now,
        rules=rules or RULES,
    )


def batch(of: Snapshot, *, job_id: UUID | None = None, overrides: LLMConfigOverrides | None = None) -> Batch:
    """The batch that a snapshot is of, as it is stored."""
    accepted = new_batch(
        request({essay.essay_id: essay.text_storage_id for essay in of.essays}, overrides=overrides),
        job_id=JobId(job_id or uuid4()),
        now=NOW,
        defaults=Defaults(target_reliability=0.9, deadline=timedelta(hours=1)),
    )
    return replace(accepted, limits=of.limits, judges=of.judges, seed=of.seed)


def nothing_spent() -> Spending:
    """No money spent, none set aside."""
    return Spending(
        cost_usd=Decimal(0), reserved_usd=Decimal(0), pending_usd=Decimal(0), outstanding=0, answered=0
    )
