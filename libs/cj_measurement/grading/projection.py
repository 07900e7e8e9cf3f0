"""From abilities to grades, through anchors whose grades are known.

Each grade has a centre on the scale. The centres follow the anchors' abilities, are drawn towards a line by a
penalty on their second differences, and keep their order (isotonic). Boundaries lie half-way between centres; the
centre of a grade without anchors is what the line and its neighbours say. P(grade | essay) comes from draws of the
anchors' abilities, each with boundaries of its own, and from the essay's posterior given each draw: the essay's
error, the anchors' errors and the scatter of essays around the centre of their grade all reach the probability.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cj_measurement.comparisons import FloatArray, IntArray
from cj_measurement.correlations import kendall
from cj_measurement.errors import InvalidArgument, Singular
from cj_measurement.grading.abilities import Abilities
from cj_measurement.grading.centres import Centres
from cj_measurement.grading.grade_warnings import GradeWarning, warnings_about
from cj_measurement.grading.scale import Anchor, ScaleShape

DRAWS = 500


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
    """Grades of all items, or why there are none; raises ``InvalidArgument`` for arguments that contradict each other.

    ``theta`` (n,) are posterior means, ``covariance`` their joint one (n, n), or only their variances (n,). With
    ``tau``, the prior's standard deviation in the fit, the anchors are freed of that prior: they were chosen to span
    the grades, not drawn as essays are. ``wins`` (n,) are the comparisons that each item won.
    """
    _check(theta, covariance, anchors, scale)
    _check_options(len(theta), tau, wins, draws)
    reason = _impossible(anchors, theta)
    if reason is not None:
        return NoProjection(reason)
    try:
        return _project(theta, covariance, anchors, scale, seed=seed, tau=tau, wins=wins, draws=draws)
    except Singular as error:
        return NoProjection(str(error))


def _project(
    theta: FloatArray,
    covariance: FloatArray,
    anchors: Sequence[Anchor],
    scale: ScaleShape,
    *,
    seed: int,
    tau: float | None,
    wins: IntArray | None,
    draws: int,
) -> GradeProjection:
    items = np.array([anchor.item for anchor in anchors])
    grades = np.array([anchor.grade for anchor in anchors])
    abilities = Abilities.of(theta, covariance, items, tau)
    centres = Centres(grades, abilities, scale)
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
        warnings=tuple(warnings_about(anchors, theta[items], scale, centres, wins)),
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


def _check_options(n: int, tau: float | None, wins: IntArray | None, draws: int) -> None:
    if tau is not None and not 0 < tau < math.inf:
        raise InvalidArgument("tau must be finite and positive")
    if wins is not None and len(wins) != n:
        raise InvalidArgument(f"give the wins of all {n} items")
    if draws < 1:
        raise InvalidArgument("at least one draw is needed")


def _impossible(anchors: Sequence[Anchor], theta: FloatArray) -> str | None:
    if not anchors:
        return "no anchors"
    if len({anchor.grade for anchor in anchors}) < 2:
        return "all anchors have one grade: two are needed"
    order = _order(theta[[anchor.item for anchor in anchors]], np.array([anchor.grade for anchor in anchors]))
    if math.isnan(order):
        return "the anchors are all equally able as far as is known: judge more pairs"
    if order <= 0:
        return f"the anchors' grades do not agree with their ranking (Kendall tau {order:.2f})"
    return None


def _order(theta: FloatArray, grades: IntArray) -> float:
    return kendall(theta, grades.astype(np.float64))
