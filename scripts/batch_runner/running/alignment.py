"""How the anchors' scores follow their grades."""

from collections.abc import Sequence
from itertools import combinations

from event_contracts import grade_scale

from batch_runner.artefact.outcome import AnchorAlignment, Displacement, Inversion, Score


def anchor_alignment(scores: Sequence[Score], scale: str | None) -> AnchorAlignment | None:
    """Kendall's tau-b between grade and score, and what speaks against single anchors; None without anchors."""
    anchors = [score for score in scores if score.anchor_grade is not None]
    if scale is None or not anchors:
        return None
    place = grade_scale(scale).index
    graded = [(score, place(score.anchor_grade)) for score in anchors if score.anchor_grade is not None]
    inversions = [
        _inversion(one, other) if grade > other_grade else _inversion(other, one)
        for (one, grade), (other, other_grade) in combinations(graded, 2)
        if (grade - other_grade) * (one.theta - other.theta) < 0
    ]
    return AnchorAlignment(
        tau=_tau_b([grade for _, grade in graded], [score.theta for score, _ in graded]),
        inversions=tuple(sorted(inversions, key=lambda each: -each.gap)),
        zero_win=tuple(score.essay_id for score in anchors if score.wins == 0),
        displacement=tuple(
            Displacement(
                anchor_id=score.essay_id,
                grade=str(score.anchor_grade),
                theta=score.theta,
                displacement=_displacement(score, grade, graded),
            )
            for score, grade in graded
        ),
    )


def nearest_anchors(scores: Sequence[Score]) -> dict[str, str]:
    """The anchor whose score is nearest to each other essay's, by essay id."""
    anchors = [score for score in scores if score.is_anchor]
    if not anchors:
        return {}
    return {
        score.essay_id: min(anchors, key=lambda anchor: abs(anchor.theta - score.theta)).essay_id
        for score in scores
        if not score.is_anchor
    }


def _inversion(higher: Score, lower: Score) -> Inversion:
    return Inversion(
        higher_anchor_id=higher.essay_id, lower_anchor_id=lower.essay_id, gap=lower.theta - higher.theta
    )


def _displacement(score: Score, grade: int, graded: Sequence[tuple[Score, int]]) -> float | None:
    """From the line of the others' scores by grade, fitted by least squares; None unless they have two grades."""
    others = [(place, other.theta) for other, place in graded if other is not score]
    if len({place for place, _ in others}) < 2:
        return None
    mean_place = sum(place for place, _ in others) / len(others)
    mean_theta = sum(theta for _, theta in others) / len(others)
    spread = sum((place - mean_place) ** 2 for place, _ in others)
    slope = sum((place - mean_place) * (theta - mean_theta) for place, theta in others) / spread
    return score.theta - (mean_theta + slope * (grade - mean_place))


def _tau_b(grades: Sequence[int], thetas: Sequence[float]) -> float | None:
    """Kendall's tau-b; None where all grades or all scores are equal."""
    concordant = untied_grades = untied_thetas = 0
    for (grade, theta), (other_grade, other_theta) in combinations(zip(grades, thetas, strict=True), 2):
        by_grade, by_theta = _sign(grade - other_grade), _sign(theta - other_theta)
        concordant += by_grade * by_theta
        untied_grades += abs(by_grade)
        untied_thetas += abs(by_theta)
    if not untied_grades or not untied_thetas:
        return None
    tau: float = concordant / (untied_grades * untied_thetas) ** 0.5
    return max(-1.0, min(1.0, tau))


def _sign(difference: float) -> int:
    return (difference > 0) - (difference < 0)
