"""The centre of each grade on the scale of abilities: the map from anchors to boundaries."""

import numpy as np
from scipy.special import ndtri

from cj_measurement.comparisons import FloatArray, IntArray
from cj_measurement.grading.abilities import Abilities
from cj_measurement.grading.scale import ScaleShape

SMOOTHNESS = 4.0
"""Weight of the squared second differences relative to one anchor's squared distance from its centre."""
PRIOR_WEIGHT = 0.25
"""Weight on a grade's centre of the share of essays expected at it, relative to one anchor of that grade."""
SCATTER_WEIGHT = 2.0
"""How many anchors' residuals the scatter that is expected, half a grade, weighs as much as."""
MIN_GAP_SHARE = 0.02
DISPLACED_SD = 2.0


class Centres:
    """The map from the anchors' abilities to the centres of all grades: linear, then put in order."""

    def __init__(self, grades: IntArray, abilities: Abilities, scale: ScaleShape) -> None:
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
        """SD of essays around their grade's centre in logits, drawn towards half the distance between grades."""
        freedom = len(self.residual) - self.leverage.sum()
        squares = self.residual @ self.residual + SCATTER_WEIGHT * (self.step / 2) ** 2
        return float(np.sqrt(squares / (freedom + SCATTER_WEIGHT)))

    def draw(self, abilities: FloatArray, rng: np.random.Generator) -> FloatArray:
        """One set of centres for each draw of the anchors' abilities, as uncertain as essays scatter."""
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


def _expected_centres(abilities: Abilities, scale: ScaleShape) -> FloatArray | None:
    """Mean ability of each grade's share of a normal population like the essays that are not anchors."""
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
    # Imported here: loading scipy.optimize takes a tenth of a service's start-up time.
    from scipy.optimize import isotonic_regression

    rising = isotonic_regression(centres).x
    gap = MIN_GAP_SHARE * max(float(np.ptp(rising)), 1e-6) / len(rising)
    return np.asarray(rising + gap * np.arange(len(rising)), dtype=np.float64)
