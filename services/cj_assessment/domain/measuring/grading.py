"""From abilities to grades, through the essays whose grades are known, or to the reason why there are none."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import cj_measurement as measurement
from event_contracts import ConfidenceLabel, GradeScale, InvalidRequest, JsonObject

from cj_assessment.domain.batch import Essay
from cj_assessment.domain.measuring.fitting import Fitted, all_finite

METHOD = "smooth_monotone_anchor_centres"


@dataclass(frozen=True, kw_only=True)
class GradedEssay:
    """An essay's projected grade, and how probable each grade is."""

    grade: str
    confidence: float
    label: ConfidenceLabel
    normalized_score: float
    probabilities: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Grading:
    """Grades by ranked essay, empty when there are none; ``information`` says how, or why not.

    ``change_share`` is the expected share of the essays whose grade more judging would change.
    """

    essays: tuple[GradedEssay, ...]
    method: str | None
    change_share: float | None
    information: JsonObject

    @classmethod
    def none(cls, reason: str) -> "Grading":
        """No grades, and why."""
        return cls(essays=(), method=None, change_share=None, information={"reason": reason})


def grade_essays(essays: Sequence[Essay], *, fitted: Fitted, scale: GradeScale | None, seed: int) -> Grading:
    """Grades of all ranked essays through those that are anchors."""
    if scale is None:
        return Grading.none("there are no anchors to map scores to grades")
    try:
        projection = _projection(essays, fitted, scale, seed)
        if isinstance(projection, measurement.NoProjection):
            return Grading.none(projection.reason)
        return _grading(projection, essays, scale)
    except InvalidRequest as error:
        return Grading.none(f"an anchor's grade does not fit the scale: {error.message}")
    except measurement.NUMERICAL_ERRORS as error:
        return Grading.none(f"the grades could not be computed: {error}")


def _projection(
    essays: Sequence[Essay], fitted: Fitted, scale: GradeScale, seed: int
) -> measurement.GradeProjection | measurement.NoProjection:
    fit = fitted.fit
    return measurement.project_grades(
        theta=fit.posterior_mean,
        covariance=fit.covariance if fit.n_items <= measurement.COVARIANCE_LIMIT else fit.variances,
        anchors=[
            measurement.Anchor(place, scale.index(essay.anchor_grade))
            for place, essay in enumerate(essays)
            if essay.anchor_grade is not None
        ],
        scale=measurement.ScaleShape(len(scale.grades), scale.below_lowest is not None, scale.priors),
        seed=seed,
        tau=fit.tau,
        wins=fit.comparisons.scores,
    )


def _grading(projection: measurement.GradeProjection, essays: Sequence[Essay], scale: GradeScale) -> Grading:
    numbers = (projection.probabilities.ravel(), projection.boundaries, projection.displacement.values())
    if not all_finite(projection.kendall_tau, projection.change_share, *chain(*numbers)):
        return Grading.none("the grades could not be computed: their probabilities are not finite")
    return Grading(
        essays=tuple(_graded(projection, place, scale) for place in range(len(essays))),
        method=METHOD,
        change_share=projection.change_share,
        information=_information(projection, essays, scale),
    )


def _grade_names(scale: GradeScale) -> tuple[str, ...]:
    """The grades in the order of a projection's columns."""
    return scale.grades if scale.below_lowest is None else (scale.below_lowest, *scale.grades)


def _graded(projection: measurement.GradeProjection, place: int, scale: GradeScale) -> GradedEssay:
    names = _grade_names(scale)
    chances = [min(1.0, max(0.0, float(chance))) for chance in projection.probabilities[place]]
    confidence = max(chances)
    return GradedEssay(
        grade=names[chances.index(confidence)],
        confidence=confidence,
        label=ConfidenceLabel(measurement.confidence_label(confidence)),
        normalized_score=_normalized(float(projection.expected_grade[place]), scale),
        probabilities=dict(zip(names, chances, strict=True)),
    )


def _normalized(expected_grade: float, scale: GradeScale) -> float:
    """0 for the scale's lowest grade, 1 for its highest; the grade below the lowest is a grade as well."""
    lowest = 0 if scale.below_lowest is None else -1
    share = (expected_grade - lowest) / (len(scale.grades) - 1 - lowest)
    return min(1.0, max(0.0, share))


def _information(
    projection: measurement.GradeProjection, essays: Sequence[Essay], scale: GradeScale
) -> JsonObject:
    names = _grade_names(scale)
    return {
        "method": METHOD,
        "kendall_tau": projection.kendall_tau,
        "expected_change_share": projection.change_share,
        "boundaries": {
            f"{lower}|{upper}": float(boundary)
            for lower, upper, boundary in zip(names, names[1:], projection.boundaries, strict=False)
        },
        "displacement": {
            essays[item].essay_id: distance for item, distance in projection.displacement.items()
        },
        "warnings": [_warning(warning, essays, scale) for warning in projection.warnings],
    }


def _warning(warning: measurement.GradeWarning, essays: Sequence[Essay], scale: GradeScale) -> str:
    named = [essays[item].essay_id for item in warning.items]
    named += [scale.grades[grade] for grade in warning.grades]
    return f"{warning.message}: {', '.join(named)}" if named else warning.message
