"""From the decision to finish to the published result: ranks, grades, confidence, and how the ranking came about."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from cj_measurement import Reliability
from event_contracts import (
    AssessmentMetadata,
    AssessmentResultV1,
    BtStats,
    ComparisonState,
    ConfidenceLabel,
    ErrorCode,
    EssayResultV1,
    EventName,
    FailedComparisons,
    GradeProjectionSummary,
    JsonObject,
    LookAt,
    ReliabilitySummary,
    ResultNotes,
    letter_grade,
    usd,
)

from cj_assessment.domain.announcing import ENTITY_TYPE
from cj_assessment.domain.batch import Batch, Essay
from cj_assessment.domain.deciding import Finish, Measured, Ranking, Snapshot
from cj_assessment.domain.measuring import Consistency, GradedEssay, Grading, judge_consistency

NO_SCALE = "none"


def assessment_result(
    batch: Batch, essays: Sequence[Essay], snapshot: Snapshot, finish: Finish, *, now: datetime
) -> AssessmentResultV1:
    """The rich event of a finished batch; ``essays`` are all of them, those that could not be judged as well."""
    ranking, measured, scale = finish.ranking, finish.measured, snapshot.scale
    grading = Grading.none("nothing was compared") if ranking is None else ranking.grading
    consistency = None if ranking is None else judge_consistency(ranking.fitted, seed=snapshot.seed)
    notes = _notes(batch, essays, snapshot, finish, consistency)
    judge = batch.leading_judge
    projections = _projections(ranking, grading)
    return AssessmentResultV1(
        event_name=EventName.ASSESSMENT_RESULT_PUBLISHED,
        entity_id=batch.batch_id,
        entity_type=ENTITY_TYPE,
        timestamp=now,
        batch_id=batch.batch_id,
        cj_assessment_job_id=str(batch.job_id),
        assignment_id=batch.request.assignment_id,
        model_used=judge.model,
        model_provider=judge.provider,
        essay_results=() if ranking is None else _essay_results(ranking),
        assessed_at=now,
        assessment_metadata=AssessmentMetadata(
            grade_scale=scale.id if scale else NO_SCALE,
            anchor_essays_used=sum(essay.is_anchor for essay in snapshot.essays),
            anchor_grade_distribution=Counter(
                essay.anchor_grade for essay in snapshot.essays if essay.anchor_grade is not None
            ),
            calibration_method=grading.method,
            comparison_count=0 if ranking is None else len(ranking.judged),
            processing_duration_seconds=(now - batch.received_at).total_seconds(),
            llm_temperature=batch.overrides.temperature_override,
            course_code=batch.request.course_code,
            reliability=_reliability(batch, finish, consistency),
            position_bias={} if measured is None else _position_bias(measured),
            stop_reason=finish.reason,
            cost_usd=usd(snapshot.spending.cost_usd),
            grade_projections=projections,
            grade_projection_summary=projections,
            assignment_id=batch.request.assignment_id,
            **notes.model_dump(mode="json", exclude=notes.left_out()),
        ),
    )


def _notes(
    batch: Batch,
    essays: Sequence[Essay],
    snapshot: Snapshot,
    finish: Finish,
    consistency: Consistency | None,
) -> ResultNotes:
    return ResultNotes(
        failed_essays={essay.essay_id: essay.problem for essay in essays if essay.problem is not None},
        unranked_essays=dict(finish.unranked),
        failed_comparisons=_failed_comparisons(snapshot),
        look_at={
            essay.essay_id: LookAt(signals=essay.signals, hidden_characters=essay.hidden_characters)
            for essay in essays
            if essay.signals
        },
        judges={}
        if finish.ranking is None or consistency is None
        else _judges(batch, finish.ranking, consistency),
        graded_verdicts={} if finish.ranking is None else finish.ranking.fitted.levels,
        problem=finish.problem,
        not_computed={} if consistency is None else dict(consistency.not_computed),
    )


def _failed_comparisons(snapshot: Snapshot) -> FailedComparisons:
    failed = [pair for pair in snapshot.asked if pair.state == ComparisonState.FAILED]
    items = Counter(item for pair in failed for item in (pair.slot_a, pair.slot_b))
    by_essay = Counter({essay.essay_id: items[essay.item] for essay in snapshot.essays if items[essay.item]})
    return FailedComparisons(
        total=len(failed),
        by_error_code=dict(Counter(pair.error_code or ErrorCode.UNKNOWN_ERROR for pair in failed)),
        by_essay=dict(by_essay.most_common()),
    )


def _judges(batch: Batch, ranking: Ranking, consistency: Consistency) -> JsonObject:
    """Each judge's share of the comparisons, as asked for and as judged, and how far it agrees with the others.

    A judge is the one that was asked; ``answered_as`` are the names by which its vendor answered, with their number.
    """
    judged = Counter(pair.assigned for pair in ranking.judged)
    return {
        judge.name: {
            "share": judge.share,
            "comparisons": judged[place],
            "share_judged": judged[place] / len(ranking.judged),
            "answered_as": dict(
                Counter(pair.judge for pair in ranking.judged if pair.assigned == place and pair.judge)
            ),
            **consistency.agreement.get(judge.name, {}),
        }
        for place, judge in enumerate(batch.judges)
    }


def _reliability(batch: Batch, finish: Finish, consistency: Consistency | None) -> ReliabilitySummary:
    target, measured = batch.limits.target_reliability, finish.measured
    if consistency is None or measured is None:
        return ReliabilitySummary(eb=None, ssr=None, target=target)
    return ReliabilitySummary(
        eb=measured.eb_reliability,
        ssr=measured.ssr,
        ssr_prime=measured.ssr_prime,
        split_half=consistency.split_half,
        is_inflated=_is_inflated(measured),
        tau=measured.tau,
        gates=dict(measured.gates),
        target=target,
    )


def _position_bias(measured: Measured) -> JsonObject:
    return {judge: effect.model_dump(mode="json") for judge, effect in measured.position_bias.items()}


def _is_inflated(measured: Measured) -> bool:
    if measured.ssr is None or measured.ssr_prime is None:
        return False
    return Reliability(
        eb=measured.eb_reliability, ssr=measured.ssr, ssr_prime=measured.ssr_prime, split_half=None
    ).is_inflated


def ranks(theta: tuple[float, ...]) -> list[int]:
    """Rank 1 for the highest ability; equal abilities share the better rank."""
    in_order = sorted(theta, reverse=True)
    first_place = {ability: place for place, ability in reversed(list(enumerate(in_order, start=1)))}
    return [first_place[ability] for ability in theta]


def _essay_results(ranking: Ranking) -> tuple[EssayResultV1, ...]:
    theta = _theta(ranking)
    results = [
        _essay_result(place, ranking=ranking, theta=theta[place], rank=rank)
        for place, rank in enumerate(ranks(theta))
    ]
    return tuple(sorted(results, key=lambda result: (result.rank, result.essay_id)))


def _theta(ranking: Ranking) -> tuple[float, ...]:
    return tuple(float(ability) for ability in ranking.fitted.fit.theta)


def _essay_result(place: int, *, ranking: Ranking, theta: float, rank: int) -> EssayResultV1:
    """Without grades the normalised score is the share of the other essays that are ranked below."""
    essay, others, grading = ranking.essays[place], len(ranking.essays) - 1, ranking.grading
    graded = grading.essays[place] if grading.essays else None
    grade, confidence, label = _grade(essay, graded)
    return EssayResultV1(
        essay_id=essay.essay_id,
        normalized_score=graded.normalized_score if graded else (others + 1 - rank) / others,
        letter_grade=letter_grade(grade),
        grade=grade,
        confidence_score=confidence,
        confidence_label=label,
        bt_score=theta,
        rank=rank,
        is_anchor=essay.is_anchor,
    )


def _grade(essay: Essay, graded: GradedEssay | None) -> tuple[str | None, float, ConfidenceLabel]:
    """An essay's grade and how sure it is: an anchor's is known, another's is projected where there is a projection."""
    if essay.anchor_grade is not None:
        return essay.anchor_grade, 1.0, ConfidenceLabel.HIGH
    if graded is None:
        return None, 0.0, ConfidenceLabel.LOW
    return graded.grade, graded.confidence, graded.label


def _projections(ranking: Ranking | None, grading: Grading) -> GradeProjectionSummary:
    if ranking is None:
        return GradeProjectionSummary(projections_available=False, calibration_info=grading.information)
    names = [essay.essay_id for essay in ranking.essays]
    errors = ranking.fitted.fit.standard_errors
    graded = dict(zip(names, grading.essays, strict=True)) if grading.essays else {}
    return GradeProjectionSummary(
        projections_available=bool(grading.essays),
        primary_grades={name: grade.grade for name, grade in graded.items()},
        confidence_labels={name: grade.label for name, grade in graded.items()},
        confidence_scores={name: grade.confidence for name, grade in graded.items()},
        grade_probabilities={name: grade.probabilities for name, grade in graded.items()},
        calibration_info=grading.information,
        bt_stats={
            name: BtStats(bt_mean=ability, bt_se=float(error))
            for name, ability, error in zip(names, _theta(ranking), errors, strict=True)
        },
    )
