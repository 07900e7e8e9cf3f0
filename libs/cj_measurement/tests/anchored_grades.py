"""Grades through anchors, as tests project them: of simulated batches, and of abilities that a test chooses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from cj_measurement import (
    Anchor,
    Design,
    Fit,
    GradeProjection,
    Run,
    ScaleShape,
    SimulatedJudge,
    project_grades,
)
from cj_measurement.comparisons import FloatArray, IntArray
from scipy.stats import norm

EIGHTHS = (0.125,) * 8
ANCHORS = 12
MARKER_NOISE = 0.15
"""SD of what the markers of the anchors saw besides the truth, in standard deviations of the essays."""


@dataclass(frozen=True, eq=False)
class AnchoredRun:
    """A judged batch of 100 essays and 12 anchors."""

    fit: Fit
    truth: FloatArray
    sd: float

    def true_grades(self, shares: Sequence[float], noise: float | FloatArray = 0.0) -> IntArray:
        cuts = norm.ppf(np.cumsum(shares)[:-1]) * self.sd
        return np.searchsorted(cuts, self.truth + noise)

    def anchors(self, shares: Sequence[float]) -> list[Anchor]:
        """Scripts spread evenly over the grades, their grades given by markers who see them with some noise."""
        where = (np.arange(ANCHORS) + 0.5) / ANCHORS * len(shares)
        grade = where.astype(int)
        quantile = np.concatenate([[0], np.cumsum(shares)])[grade] + (where - grade) * np.array(shares)[grade]
        items: list[int] = []
        for ability in norm.ppf(quantile) * self.sd:
            distance = np.abs(self.truth - ability)
            distance[items] = np.inf
            items.append(int(distance.argmin()))
        noise = np.random.default_rng(len(items)).normal(0, MARKER_NOISE * self.sd, len(self.truth))
        given = self.true_grades(shares, noise)
        return [Anchor(item, int(given[item])) for item in items]

    def project(self, shares: Sequence[float], priors: tuple[float, ...] | None = None) -> GradeProjection:
        projection = project_grades(
            theta=self.fit.posterior_mean,
            covariance=self.fit.covariance,
            anchors=self.anchors(shares),
            scale=ScaleShape(len(shares), priors=priors),
            tau=self.fit.tau,
            seed=0,
        )
        assert isinstance(projection, GradeProjection)
        return projection

    def others(self, projection: GradeProjection) -> IntArray:
        return np.setdiff1d(np.arange(len(self.truth)), [anchor.item for anchor in projection.anchors])


def anchored_run(sd: float, per_essay: int, seed: int) -> AnchoredRun:
    """A batch judged until there are so many comparisons per essay."""
    run = Run(Design(essays=112), SimulatedJudge(sd=sd, position_bias=0.3), seed=seed)
    while run.comparisons_per_essay < per_essay:
        run.judge_round()
    fitted = run.fit()
    assert fitted is not None
    return AnchoredRun(fitted, run.truth, sd)


def projected(
    theta: Sequence[float] | FloatArray,
    anchors: Sequence[tuple[int, int]],
    *,
    variance: float = 0.1,
    scale: ScaleShape | None = None,
    wins: Sequence[int] | None = None,
    draws: int = 500,
) -> GradeProjection:
    """Grades of these abilities, through anchors as pairs of an item and its grade."""
    projection = project_grades(
        theta=np.array(theta, np.float64),
        covariance=np.full(len(theta), variance),
        anchors=[Anchor(item, grade) for item, grade in anchors],
        scale=scale or ScaleShape(5),
        seed=1,
        wins=None if wins is None else np.array(wins),
        draws=draws,
    )
    assert isinstance(projection, GradeProjection)
    return projection


LADDER = [-2.0, -1.0, 0.0, 1.0, 2.0]
"""Abilities of five anchors, one per grade, a logit apart."""
RUNGS = [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]
