"""From abilities to grades, through anchors whose grades are known.

Each grade has a centre on the scale. The centres follow the anchors' abilities, are drawn towards a line by a
penalty on their second differences, and keep their order (isotonic). Boundaries lie half-way between centres; the
centre of a grade without anchors is what the line and its neighbours say. P(grade | essay) comes from draws of the
anchors' abilities, each with boundaries of its own, and from the essay's posterior given each draw: the essay's
error, the anchors' errors and the scatter of scripts around the centre of their grade all reach the probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import isotonic_regression
from scipy.special import ndtr, ndtri

from cj_measurement.comparisons import FloatArray, IntArray
from cj_measurement.correlations import kendall
from cj_measurement.errors import InvalidArgument

SMOOTHNESS = 4.0
"""Weight of the squared second differences beside one anchor's squared distance from its centre."""
PRIOR_WEIGHT = 0.25
"""How much the share of essays expected at a grade weighs on its centre, beside an anchor of that grade."""
SCATTER_WEIGHT = 2.0
"""How many anchors' residuals the scatter that is expected, half a grade, weighs as much as."""
SMALLEST_GAP_SHARE = 0.02
FEW_ANCHORS = 12
DISPLACED_SD = 2.0
HIGH, MID = 0.8, 0.6
DRAWS = 500


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
    ANCHOR_WITHOUT_WINS = "anchor_without_wins"
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
    """How many grades a scale has, and whether there is one below the lowest anchor's.

    ``priors`` (n_grades) are the shares of essays expected at each grade; raises ``InvalidArgument``.
    """

    n_grades: int
    has_below_lowest: bool = False
    priors: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.n_grades < 2:
            raise InvalidArgument("a scale has at least two grades")
        if self.priors is not None and (
            len(self.priors) != self.n_grades or min(self.priors) <= 0 or abs(sum(self.priors) - 1) > 1e-6
        ):
            raise InvalidArgument("priors are one positive share a grade, and their sum is 1")


@dataclass(frozen=True, slots=True)
class NoProjection:
    """Why there are no grades."""

    reason: str


@dataclass(frozen=True, eq=False, kw_only=True)
class GradeProjection:
    """Grades of ``n`` items.

    ``probabilities`` has shape (n, columns): column k is grade ``k + lowest``, where ``lowest`` is −1 on a scale
    with a grade below the lowest, else 0. ``boundaries`` are in logits, between neighbouring columns. ``change``
    (n,) is the chance that an item's most probable grade would be another one if all abilities were known.
    ``displacement`` is, by anchor, how far its ability lies above the centre of its grade as the other anchors put
    it, in logits; anchors without which there is no map have none.
    """

    probabilities: FloatArray
    change: FloatArray
    lowest: int
    boundaries: FloatArray
    kendall_tau: float
    displacement: dict[int, float]
    warnings: tuple[GradeWarning, ...]
    anchors: tuple[Anchor, ...]

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
        """Expected grade of each item, from ``lowest`` to n_grades − 1, shape (n,)."""
        grades = np.arange(self.probabilities.shape[1]) + self.lowest
        return np.asarray(self.probabilities @ grades, dtype=np.float64)

    @property
    def change_share(self) -> float:
        """Expected share of items, anchors aside, whose grade more judging would change; 0 where there are none."""
        others = np.ones(len(self.change), np.bool_)
        others[[anchor.item for anchor in self.anchors]] = False
        return float(self.change[others].mean()) if others.any() else 0.0


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
    tau: float | None = None,
    wins: IntArray | None = None,
    draws: int = DRAWS,
) -> GradeProjection | NoProjection:
    """Grades of all items, or why there are none; raises ``InvalidArgument``.

    ``theta`` (n,) are posterior means, ``covariance`` their joint one (n, n), or only their variances (n,). With
    ``tau``, the prior's standard deviation in the fit, the anchors are freed of that prior: they were chosen to span
    the grades, not drawn as essays are. ``wins`` (n,) are the comparisons that each item won.
    """
    _check(theta, covariance, anchors, scale)
    reason = _impossible(anchors, theta)
    if reason is not None:
        return NoProjection(reason)
    items = np.array([anchor.item for anchor in anchors])
    grades = np.array([anchor.grade for anchor in anchors])
    abilities = _Abilities.of(theta, covariance, items, tau)
    centres = _Centres(grades, abilities, scale)
    rng = np.random.default_rng(seed)
    drawn = abilities.draw_anchors(draws, rng)
    probabilities = abilities.shares(drawn, centres.boundaries(centres.draw(drawn, rng)))
    if_known = abilities.shares(drawn, centres.boundaries(centres.of(drawn)))
    place = probabilities.argmax(1)
    return GradeProjection(
        probabilities=probabilities,
        change=1 - if_known[np.arange(len(theta)), place],
        lowest=-1 if scale.has_below_lowest else 0,
        boundaries=centres.boundaries(centres.of(abilities.anchor_means[None, :]))[0],
        kendall_tau=_order(theta[items], grades),
        displacement={
            int(item): float(distance)
            for item, distance in zip(items, centres.deleted, strict=True)
            if np.isfinite(distance)
        },
        warnings=tuple(_warnings(anchors, theta[items], scale, centres, wins)),
        anchors=tuple(anchors),
    )


def _check(theta: FloatArray, covariance: FloatArray, anchors: Sequence[Anchor], scale: ScaleShape) -> None:
    n = len(theta)
    if covariance.shape not in ((n,), (n, n)) or not (
        np.isfinite(theta).all() and np.isfinite(covariance).all()
    ):
        raise InvalidArgument("give n finite abilities, and their covariance (n, n) or variances (n,)")
    items = [anchor.item for anchor in anchors]
    if len(set(items)) < len(items) or any(not 0 <= item < n for item in items):
        raise InvalidArgument(f"each anchor is another one of the items 0 to {n - 1}")
    if any(not 0 <= anchor.grade < scale.n_grades for anchor in anchors):
        raise InvalidArgument(f"an anchor's grade is one of 0 to {scale.n_grades - 1}")


def _impossible(anchors: Sequence[Anchor], theta: FloatArray) -> str | None:
    if not anchors:
        return "no anchors"
    if len({anchor.grade for anchor in anchors}) < 2:
        return "all anchors have one grade: two are needed"
    order = _order(theta[[anchor.item for anchor in anchors]], np.array([anchor.grade for anchor in anchors]))
    if not order > 0:
        return f"the anchors' grades do not agree with their ranking (Kendall tau {order:.2f})"
    return None


def _order(theta: FloatArray, grades: IntArray) -> float:
    return kendall(theta, grades.astype(np.float64))


@dataclass(frozen=True, eq=False)
class _Abilities:
    """The posterior of all abilities: ``mean`` and ``variance`` (n,), ``cross`` (n, anchors) with the anchors'."""

    items: IntArray
    mean: FloatArray
    variance: FloatArray
    cross: FloatArray

    @classmethod
    def of(
        cls, theta: FloatArray, covariance: FloatArray, items: IntArray, tau: float | None
    ) -> "_Abilities":
        if covariance.ndim == 2:
            variance, cross = np.diag(covariance), covariance[:, items]
        else:
            variance, cross = covariance, np.zeros((len(theta), len(items)))
            cross[items, np.arange(len(items))] = covariance[items]
        posterior = cls(items, theta, variance, cross)
        return posterior if tau is None else posterior._freed_of_prior(tau)

    def _freed_of_prior(self, tau: float) -> "_Abilities":
        """The posterior without N(0, τ²) on the anchors: (C⁻¹ − E Eᵀ/τ²)⁻¹ by Woodbury, E their columns of I."""
        among = self.cross[self.items]
        weights = cho_solve(cho_factor(tau**2 * np.eye(len(among)) - among), self.cross.T).T
        return _Abilities(
            self.items,
            self.mean + weights @ self.mean[self.items],
            self.variance + np.sum(weights * self.cross, axis=1),
            self.cross + weights @ among,
        )

    @property
    def anchor_means(self) -> FloatArray:
        return self.mean[self.items]

    @property
    def _among_anchors(self) -> FloatArray:
        """The anchors' covariance, kept regular where an anchor's ability is known exactly."""
        return self.cross[self.items] + 1e-10 * np.eye(len(self.items))

    def draw_anchors(self, draws: int, rng: np.random.Generator) -> FloatArray:
        """Abilities of the anchors, shape (draws, anchors)."""
        return rng.multivariate_normal(self.anchor_means, self._among_anchors, size=draws, method="cholesky")

    def shares(self, drawn: FloatArray, boundaries: FloatArray) -> FloatArray:
        """P(column) of each item, shape (n, columns), over draws of the anchors and their boundaries."""
        lean = cho_solve(cho_factor(self._among_anchors), self.cross.T).T
        spread = np.sqrt(np.maximum(self.variance - np.sum(lean * self.cross, axis=1), 1e-12))
        mean = self.mean + (drawn - self.anchor_means) @ lean.T
        below = [ndtr((boundary[:, None] - mean) / spread).mean(0) for boundary in boundaries.T]
        return np.diff(np.array([np.zeros(len(spread)), *below, np.ones(len(spread))]), axis=0).T


class _Centres:
    """The map from the anchors' abilities to the centres of all grades: linear, then put in order."""

    def __init__(self, grades: IntArray, abilities: _Abilities, scale: ScaleShape) -> None:
        self.grades, self.scale = grades, scale
        self.anchor_means = abilities.anchor_means
        expected = _expected_centres(abilities, scale)
        weight = 0.0 if expected is None else PRIOR_WEIGHT
        second = np.diff(np.eye(scale.n_grades), n=2, axis=0)
        self.design = np.eye(scale.n_grades)[grades]
        precision = self.design.T @ self.design + SMOOTHNESS * second.T @ second
        self.uncertainty = np.linalg.inv(precision + weight * np.eye(scale.n_grades))
        self.map = self.uncertainty @ self.design.T
        self.offset = np.zeros(scale.n_grades) if expected is None else self.uncertainty @ (weight * expected)
        self.leverage = np.diag(self.design @ self.map)
        self.residual = self.anchor_means - self.design @ self._line(self.anchor_means)
        self.step = float(np.ptp(self.of(self.anchor_means[None, :]))) / (scale.n_grades - 1)

    def _line(self, abilities: FloatArray) -> FloatArray:
        return np.asarray(abilities @ self.map.T + self.offset, dtype=np.float64)

    def of(self, abilities: FloatArray) -> FloatArray:
        """Ordered centres (draws, n_grades) of the anchors' abilities (draws, anchors)."""
        return np.array([_ordered(centres) for centres in self._line(abilities)])

    @property
    def scatter(self) -> float:
        """SD of scripts around their grade's centre in logits, drawn towards half the distance between grades."""
        freedom = len(self.residual) - self.leverage.sum()
        squares = self.residual @ self.residual + SCATTER_WEIGHT * (self.step / 2) ** 2
        return float(np.sqrt(squares / (freedom + SCATTER_WEIGHT)))

    def draw(self, abilities: FloatArray, rng: np.random.Generator) -> FloatArray:
        """One set of centres for each draw of the anchors' abilities, uncertain as scripts scatter."""
        noise = rng.multivariate_normal(
            np.zeros(self.scale.n_grades), self.scatter**2 * self.uncertainty, size=len(abilities)
        )
        return np.array([_ordered(centres) for centres in self._line(abilities) + noise])

    def boundaries(self, centres: FloatArray) -> FloatArray:
        """Half-way points (draws, n_grades − 1); one more in front on a scale with a grade below the lowest."""
        between = (centres[:, 1:] + centres[:, :-1]) / 2
        if not self.scale.has_below_lowest:
            return np.asarray(between, dtype=np.float64)
        below = centres[:, :1] - (centres[:, 1:2] - centres[:, :1]) / 2
        return np.hstack([below, between])

    @property
    def deleted(self) -> FloatArray:
        """Ability of each anchor minus the centre of its grade as the others put it; NaN where they put none."""
        others = [set(np.delete(self.grades, place)) for place in range(len(self.grades))]
        can_do_without = np.array([len(grades) > 1 for grades in others])
        return np.where(
            can_do_without, self.residual / np.where(can_do_without, 1 - self.leverage, 1), np.nan
        )

    @property
    def far_off(self) -> IntArray:
        """Places of the anchors that are displaced by more than a grade, and by more than scatter explains."""
        explained = DISPLACED_SD * self.scatter / np.sqrt(np.maximum(1 - self.leverage, 1e-9))
        return np.flatnonzero(np.abs(self.deleted) > np.maximum(explained, self.step))


def _expected_centres(abilities: _Abilities, scale: ScaleShape) -> FloatArray | None:
    """Mean ability of each grade's share of a normal population like the essays that are no anchors."""
    others = np.ones(len(abilities.mean), np.bool_)
    others[abilities.items] = False
    if scale.priors is None or np.count_nonzero(others) < 2:
        return None
    shares = np.array(scale.priors)
    ends = ndtri(np.clip(np.concatenate([[0.0], np.cumsum(shares)]), 0, 1))
    density = np.exp(-(ends**2) / 2) / np.sqrt(2 * np.pi)
    variance = np.var(abilities.mean[others]) + abilities.variance[others].mean()
    return np.asarray(
        abilities.mean[others].mean() + np.sqrt(variance) * -np.diff(density) / shares, dtype=np.float64
    )


def _ordered(centres: FloatArray) -> FloatArray:
    rising = isotonic_regression(centres).x
    gap = SMALLEST_GAP_SHARE * max(float(np.ptp(rising)), 1e-6) / len(rising)
    return np.asarray(rising + gap * np.arange(len(rising)), dtype=np.float64)


def _warnings(
    anchors: Sequence[Anchor],
    theta: FloatArray,
    scale: ScaleShape,
    centres: _Centres,
    wins: IntArray | None,
) -> list[GradeWarning]:
    """``theta`` (anchors,) are the anchors' abilities."""
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
    for anchor in anchors:
        if wins is not None and wins[anchor.item] == 0:
            text = "an anchor never won: how far below the others it lies is hardly known"
            found.append(GradeWarning(WarningKind.ANCHOR_WITHOUT_WINS, text, (anchor.item,)))
    for place in centres.far_off:
        text = f"an anchor lies {centres.deleted[place]:+.1f} logits from where the others put its grade"
        found.append(GradeWarning(WarningKind.ANCHOR_DISPLACED, text, (anchors[place].item,)))
    return found


def _inversions(anchors: Sequence[Anchor], theta: FloatArray) -> list[tuple[int, int]]:
    """Pairs (item of the lower grade, item of the higher grade) that the ranking turns round."""
    return [
        (low.item, high.item)
        for place, low in enumerate(anchors)
        for other, high in enumerate(anchors)
        if low.grade < high.grade and theta[place] > theta[other]
    ]
