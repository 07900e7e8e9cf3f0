"""The posterior of all abilities, as grading needs it: joint with that of the anchors."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtr

from cj_measurement.comparisons import FloatArray, IntArray
from cj_measurement.errors import Singular

MIN_LIKELIHOOD_SHARE = 1e-6
"""Share of the prior's variance that decisions must take away from every direction of the anchors' abilities."""


@dataclass(frozen=True, eq=False)
class Abilities:
    """The posterior of all abilities: ``mean`` and ``variance`` (n,), ``cross`` (n, anchors) with the anchors'."""

    items: IntArray
    mean: FloatArray
    variance: FloatArray
    cross: FloatArray

    @classmethod
    def of(cls, theta: FloatArray, covariance: FloatArray, items: IntArray, tau: float | None) -> "Abilities":
        """From the joint covariance (n, n) or from variances (n,); raises ``Singular`` as ``_freed_of_prior`` does."""
        if covariance.ndim == 2:
            variance, cross = np.diag(covariance), covariance[:, items]
        else:
            variance, cross = covariance, np.zeros((len(theta), len(items)))
            cross[items, np.arange(len(items))] = covariance[items]
        posterior = cls(items, theta, variance, cross)
        return posterior if tau is None else posterior._freed_of_prior(tau)

    def _freed_of_prior(self, tau: float) -> "Abilities":
        """The posterior without N(0, τ²) on the anchors: (C⁻¹ − E Eᵀ/τ²)⁻¹ by Woodbury, E their columns of I.

        Raises ``Singular`` where only that prior holds the anchors: without it their mean ability could be anything.
        """
        among = self.cross[self.items]
        information = tau**2 * np.eye(len(among)) - among
        if np.linalg.eigvalsh(information)[0] <= MIN_LIKELIHOOD_SHARE * tau**2:
            if len(self.items) == len(self.mean):
                raise Singular("there are no essays besides the anchors: there is nothing to grade")
            raise Singular("the comparisons hardly link the anchors to the essays: judge more pairs of both")
        weights = cho_solve(cho_factor(information), self.cross.T).T
        return Abilities(
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
        """Abilities of the anchors, shape (draws, anchors); raises ``Singular``."""
        try:
            return rng.multivariate_normal(
                self.anchor_means, self._among_anchors, size=draws, method="cholesky"
            )
        except np.linalg.LinAlgError as error:
            raise Singular(
                "the errors of the anchors' abilities are known too little to be drawn from"
            ) from error

    def shares(self, drawn: FloatArray, boundaries: FloatArray) -> FloatArray:
        """P(column) of each item, shape (n, columns), over draws of the anchors and their boundaries."""
        lean = cho_solve(cho_factor(self._among_anchors), self.cross.T).T
        spread = np.sqrt(np.maximum(self.variance - np.sum(lean * self.cross, axis=1), 1e-12))
        mean = self.mean + (drawn - self.anchor_means) @ lean.T
        below = [ndtr((boundary[:, None] - mean) / spread).mean(0) for boundary in boundaries.T]
        return np.diff(np.array([np.zeros(len(spread)), *below, np.ones(len(spread))]), axis=0).T
