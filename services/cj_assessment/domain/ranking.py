"""From the last fit to the published result: ranks, grades, confidence, and how the ranking came about."""

from collections import Counter
from datetime import datetime
from decimal import Decimal

from event_contracts import (
    UNGRADED,
    AssessmentMetadata,
    AssessmentResultV1,
    BtStats,
    ConfidenceLabel,
    EssayResultV1,
    EventName,
    GradeProjectionSummary,
    JsonObject,
    grade_scale,
    usd,
)

from cj_assessment.domain.announcing import ENTITY_TYPE
from cj_assessment.domain.batch import Batch, Essay
from cj_assessment.domain.deciding import Finish, Measured, Snapshot
from cj_assessment.domain.measuring import Grading, grade_essays

NO_SCALE = "none"


def assessment_result(
    batch: Batch, snapshot: Snapshot, finish: Finish, *, cost_usd: Decimal, now: datetime
) -> AssessmentResultV1:
    """The rich event of a finished batch."""
    assert batch.judge is not None, "a finished batch was judged"
    essays, measured = snapshot.essays, finish.measured
    scale = grade_scale(batch.grade_scale) if batch.grade_scale else None
    grading = grade_essays(essays, fitted=finish.fitted, scale=scale, seed=snapshot.seed)
    projections = _projections(essays, measured, grading)
    return AssessmentResultV1(
        event_name=EventName.ASSESSMENT_RESULT_PUBLISHED,
        entity_id=batch.batch_id,
        entity_type=ENTITY_TYPE,
        timestamp=now,
        batch_id=batch.batch_id,
        cj_assessment_job_id=str(batch.job_id),
        assignment_id=batch.request.assignment_id,
        model_used=batch.judge.model,
        model_provider=batch.judge.provider,
        essay_results=_essay_results(essays, measured, grading),
        assessed_at=now,
        assessment_metadata=AssessmentMetadata(
            grade_scale=scale.id if scale else NO_SCALE,
            anchor_essays_used=sum(essay.is_anchor for essay in essays),
            anchor_grade_distribution=Counter(
                essay.anchor_grade for essay in essays if essay.anchor_grade is not None
            ),
            calibration_method=grading.method,
            comparison_count=measured.comparisons,
            processing_duration_seconds=(now - batch.received_at).total_seconds(),
            llm_temperature=batch.overrides.temperature_override,
            course_code=batch.request.course_code,
            reliability=_reliability(batch, measured),
            position_bias=measured.position_bias,
            stop_reason=finish.reason,
            cost_usd=usd(cost_usd),
            grade_projections=projections,
        ),
    )


def _reliability(batch: Batch, measured: Measured) -> JsonObject:
    return {
        "eb": measured.eb_reliability,
        "ssr": measured.ssr,
        "tau": measured.tau,
        "target": batch.limits.target_reliability,
        "gates": measured.gates,
    }


def ranks(theta: tuple[float, ...]) -> list[int]:
    """Rank 1 for the highest ability; equal abilities share the better rank."""
    in_order = sorted(theta, reverse=True)
    return [in_order.index(ability) + 1 for ability in theta]


def _essay_results(
    essays: tuple[Essay, ...], measured: Measured, grading: Grading
) -> tuple[EssayResultV1, ...]:
    placed = zip(essays, measured.theta, ranks(measured.theta), strict=True)
    results = [
        _essay_result(essay, ability=ability, rank=rank, place=place, grading=grading)
        for place, (essay, ability, rank) in enumerate(placed)
    ]
    return tuple(sorted(results, key=lambda result: (result.rank, result.essay_id)))


def _essay_result(essay: Essay, *, ability: float, rank: int, place: int, grading: Grading) -> EssayResultV1:
    graded = grading.essays[place] if grading.essays else None
    known = essay.anchor_grade is not None
    return EssayResultV1(
        essay_id=essay.essay_id,
        normalized_score=graded.normalized_score if graded else 0.0,
        letter_grade=essay.anchor_grade or (graded.grade if graded else UNGRADED),
        confidence_score=1.0 if known else (graded.confidence if graded else 0.0),
        confidence_label=ConfidenceLabel.HIGH if known else (graded.label if graded else ConfidenceLabel.LOW),
        bt_score=ability,
        rank=rank,
        is_anchor=known,
    )


def _projections(essays: tuple[Essay, ...], measured: Measured, grading: Grading) -> GradeProjectionSummary:
    stats = {
        essay.essay_id: BtStats(bt_mean=ability, bt_se=error)
        for essay, ability, error in zip(essays, measured.theta, measured.standard_error, strict=True)
    }
    graded = (
        dict(zip((essay.essay_id for essay in essays), grading.essays, strict=True)) if grading.essays else {}
    )
    return GradeProjectionSummary(
        projections_available=bool(grading.essays),
        primary_grades={name: grade.grade for name, grade in graded.items()},
        confidence_labels={name: grade.label for name, grade in graded.items()},
        confidence_scores={name: grade.confidence for name, grade in graded.items()},
        grade_probabilities={name: grade.probabilities for name, grade in graded.items()},
        calibration_info=grading.information,
        bt_stats=stats,
    )
