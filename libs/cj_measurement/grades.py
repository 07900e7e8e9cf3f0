"""From abilities to grades, through anchors whose grades are known.

Each grade has a centre on the scale. The centres follow the anchors' abilities, are drawn towards a line by a
penalty on their second differences, and keep their order (isotonic). Boundaries lie half-way between centres; the
centre of a grade without anchors is what the line and its neighbours say. P(grade | essay) comes from draws of all
abilities from their joint posterior, each with its own centres: an essay's error, the anchors' errors and the
scatter of scripts around the centre of their grade all reach the probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.stats import kendalltau

from cj_measurement.comparisons import FloatArray, IntArray

SMOOTHNESS = 2.0
"""Weight of the squared second differences beside one anchor's squared distance from its centre."""
FEW_ANCHORS = 12
HIGH, MID = 0.8, 0.6
SMALLEST_GAP_SHARE = 0.02


class ConfidenceLabel(StrEnum):
    """How sure a grade is."""

    HIGH = "HIGH"
    MID = "MID"
    LOW = "LOW"


class WarningKind(StrEnum):
    """What a reader of the grades should know."""

    FEW_ANCHORS = "few_anchors"
    GRADES_WITHOUT_ANCHORS = "grades_without_anchors"
    ANCHORS_OUT_OF_ORDER = "anchors_out_of_order"
    ANCHOR_DISPLACED = "anchor_displaced"


@dataclass(frozen=True, slots=True)
class GradeWarning:
    """One warning, with the anchors (items) or the grades (from 0) that it is about."""

    kind: WarningKind
    message: str
    items: tuple[int, ...] = ()
    grades: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Anchor:
    """An item whose grade is known; ``grade`` counts from 0, the lowest."""

    item: int
    grade: int


@dataclass(frozen=True, slots=True)
class ScaleShape:
    """How many grades a scale has, and whether there is one below the lowest anchor's."""

    n_grades: int
    has_below_lowest: bool = False


@dataclass(frozen=True, slots=True)
class NoProjection:
    """Why there are no grades."""

    reason: str


@dataclass(frozen=True, eq=False, kw_only=True)
class GradeProjection:
    """Grades of ``n`` items.

    ``probabilities`` has shape (n, columns): column k is grade ``k + lowest``, where ``lowest`` is −1 on a scale
    with a grade below the lowest, else 0. ``boundaries`` are in logits, between neighbouring columns.
    """

    probabilities: FloatArray
    lowest: int
    boundaries: FloatArray
    kendall_tau: float
    displacement: dict[int, float]
    warnings: tuple[GradeWarning, ...] = field(default=())

    @property
    def most_probable(self) -> IntArray:
        """Grade of each item, counted from 0; −1 is the grade below the lowest. Shape (n,)."""
        return np.asarray(self.probabilities.argmax(1) + self.lowest, dtype=np.int64)

    @property
    def confidence(self) -> FloatArray:
        """Probability of the most probable grade, shape (n,)."""
        return np.asarray(self.probabilities.max(1), dtype=np.float64)

    @property
    def expected_grade(self) -> FloatArray:
        """Expected grade of each item, from 0 (the lowest, or below it) to n_grades − 1, shape (n,)."""
        grades = np.maximum(np.arange(self.probabilities.shape[1]) + self.lowest, 0)
        return np.asarray(self.probabilities @ grades, dtype=np.float64)


def confidence_label(probability: float) -> ConfidenceLabel:
    """HIGH from .8, MID from .6, else LOW."""
    if probability >= HIGH:
        return ConfidenceLabel.HIGH
    return ConfidenceLabel.MID if probability >= MID else ConfidenceLabel.LOW


def project_grades(
    *,
    theta: FloatArray,
    covariance: FloatArray,
    anchors: Sequence[Anchor],
    scale: ScaleShape,
    seed: int,
    draws: int = 1000,
) -> GradeProjection | NoProjection:
    """Grades of all items, or why there are none; ``theta`` (n,) and ``covariance`` (n, n) as a fit gives them."""
    reason = _impossible(anchors, theta)
    if reason is not None:
        return NoProjection(reason)
    grades = np.array([anchor.grade for anchor in anchors])
    items = np.array([anchor.item for anchor in anchors])
    centres = _Centres(grades, scale)
    scatter = centres.scatter(theta[items])
    rng = np.random.default_rng(seed)
    sample = rng.multivariate_normal(theta, covariance, size=draws, method="cholesky")
    boundaries = centres.boundaries(centres.draw(sample[:, items], scatter, rng))
    counts = _tally(sample, boundaries)
    return GradeProjection(
        probabilities=counts / draws,
        lowest=-1 if scale.has_below_lowest else 0,
        boundaries=centres.boundaries(centres.fit(theta[items])[None, :])[0],
        kendall_tau=_order(theta[items], grades),
        displacement=centres.displacement(items, theta[items]),
        warnings=tuple(_warnings(anchors, theta[items], scale)),
    )


def _impossible(anchors: Sequence[Anchor], theta: FloatArray) -> str | None:
    if not anchors:
        return "no anchors"
    grades = {anchor.grade for anchor in anchors}
    if len(grades) < 2:
        return "all anchors have one grade: two are needed"
    order = _order(theta[[anchor.item for anchor in anchors]], np.array([anchor.grade for anchor in anchors]))
    if not order > 0:
        return f"the anchors' grades do not agree with their ranking (Kendall tau {order:.2f})"
    return None


def _order(theta: FloatArray, grades: IntArray) -> float:
    return float(kendalltau(theta, grades).statistic)


class _Centres:
    """The linear map from the anchors' abilities to the centres of all grades."""

    def __init__(self, grades: IntArray, scale: ScaleShape) -> None:
        self.scale = scale
        self.grades = grades
        n = scale.n_grades
        self.design = np.eye(n)[grades]
        second = np.diff(np.eye(n), n=2, axis=0)
        precision = self.design.T @ self.design + SMOOTHNESS * second.T @ second
        self.uncertainty = np.linalg.inv(precision)
        self.map = self.uncertainty @ self.design.T

    def fit(self, abilities: FloatArray) -> FloatArray:
        """Ordered centres, shape (n_grades,), of the anchors' abilities."""
        return _ordered(self.map @ abilities)

    def scatter(self, abilities: FloatArray) -> float:
        """SD of scripts around their grade's centre, in logits."""
        residual = abilities - self.design @ (self.map @ abilities)
        freedom = len(abilities) - np.trace(self.design @ self.map)
        if freedom < 1:
            return float(np.ptp(abilities)) / self.scale.n_grades / 2
        return float(np.sqrt(residual @ residual / freedom))

    def draw(self, abilities: FloatArray, scatter: float, rng: np.random.Generator) -> FloatArray:
        """One set of centres for each draw of the anchors' abilities (draws, anchors)."""
        noise = rng.multivariate_normal(
            np.zeros(self.scale.n_grades), scatter**2 * self.uncertainty, size=len(abilities)
        )
        return np.array([_ordered(centres) for centres in abilities @ self.map.T + noise])

    def boundaries(self, centres: FloatArray) -> FloatArray:
        """Half-way points (draws, n_grades − 1); one more in front on a scale with a grade below the lowest."""
        between = (centres[:, 1:] + centres[:, :-1]) / 2
        if not self.scale.has_below_lowest:
            return np.asarray(between, dtype=np.float64)
        below = centres[:, :1] - (centres[:, 1:2] - centres[:, :1]) / 2
        return np.hstack([below, between])

    def displacement(self, items: IntArray, abilities: FloatArray) -> dict[int, float]:
        """Ability of each anchor minus the centre of its grade when the anchor is left out, in logits."""
        hat = np.diag(self.design @ self.map)
        residual = abilities - self.design @ (self.map @ abilities)
        return {
            int(item): float(distance) for item, distance in zip(items, residual / (1 - hat), strict=True)
        }


def _ordered(centres: FloatArray) -> FloatArray:
    rising = isotonic_regression(centres).x
    gap = SMALLEST_GAP_SHARE * max(float(np.ptp(rising)), 1e-6) / len(rising)
    return np.asarray(rising + gap * np.arange(len(rising)), dtype=np.float64)


def _tally(sample: FloatArray, boundaries: FloatArray) -> FloatArray:
    """How often each item fell into each column, shape (n, columns)."""
    columns = boundaries.shape[1] + 1
    fell = (sample[:, :, None] > boundaries[:, None, :]).sum(2)
    return np.stack([(fell == column).sum(0) for column in range(columns)], axis=1).astype(np.float64)


def _warnings(anchors: Sequence[Anchor], theta: FloatArray, scale: ScaleShape) -> list[GradeWarning]:
    found = []
    if len(anchors) < FEW_ANCHORS:
        text = f"{len(anchors)} anchors: grades are less certain with fewer than {FEW_ANCHORS}"
        found.append(GradeWarning(WarningKind.FEW_ANCHORS, text))
    missing = sorted(set(range(scale.n_grades)) - {anchor.grade for anchor in anchors})
    if missing:
        text = f"no anchors for {len(missing)} of {scale.n_grades} grades"
        found.append(GradeWarning(WarningKind.GRADES_WITHOUT_ANCHORS, text, grades=tuple(missing)))
    for low, high in _inversions(anchors, theta):
        text = "an anchor is ranked above one of a higher grade"
        found.append(GradeWarning(WarningKind.ANCHORS_OUT_OF_ORDER, text, (low, high)))
    return found


def _inversions(anchors: Sequence[Anchor], theta: FloatArray) -> list[tuple[int, int]]:
    """Pairs (item of the lower grade, item of the higher grade) that the ranking turns round."""
    return [
        (low.item, high.item)
        for place, low in enumerate(anchors)
        for other, high in enumerate(anchors)
        if low.grade < high.grade and theta[place] > theta[other]
    ]
