"""Moments of the posterior around its mode, from which the gradient of Laplace's evidence follows."""

from dataclasses import dataclass

import numpy as np

from cj_measurement.comparisons import FloatArray
from cj_measurement.fitting.information import DENSE_LIMIT
from cj_measurement.fitting.posterior import Mode, Posterior

DRAWN_NUMBERS = 20_000
"""Random numbers in all draws beyond ``DENSE_LIMIT`` items: moments are then known to about 1 %."""
DRAW_SEED = 7_907


@dataclass(frozen=True, eq=False, kw_only=True)
class Moments:
    """Of x, the logit of what happened in each comparison (m,), and of the abilities.

    ``shift`` is how far the mean of x lies from x at the mode, to first order, ``variance`` its variance.
    ``ability_square`` is the expected sum of squared free abilities, around their mean where the prior's is free.
    """

    ahead: FloatArray
    shift: FloatArray
    variance: FloatArray
    ability_square: float

    @classmethod
    def of(cls, mode: Mode) -> "Moments":
        """Exact up to ``DENSE_LIMIT`` items; beyond from draws, always the same for the same posterior."""
        posterior, point = mode.posterior, mode.point
        roots = _roots(mode)
        of_logits = posterior.logit_variances(roots, point)
        third = posterior.likelihood.third(point.chances, posterior.weight)
        shift = mode.information.solve(posterior.pull(third * of_logits, point)) / 2
        abilities = _centred(posterior, point.parameters)
        square = abilities @ (abilities + 2 * _centred(posterior, shift))
        square += np.einsum("ir,ir->", centred := _centred(posterior, roots), centred)
        return cls(
            ahead=-point.behind,
            shift=posterior.push(shift[:, None], point)[:, 0],
            variance=of_logits,
            ability_square=float(square),
        )


def _centred(posterior: Posterior, parameters: FloatArray) -> FloatArray:
    """Those of the abilities that the prior is about, as it sees them."""
    abilities = parameters[: posterior.n]
    if posterior.free is None:
        return abilities
    free = abilities[posterior.free]
    return np.asarray(free - free.mean(axis=0), dtype=np.float64)


def _roots(mode: Mode) -> FloatArray:
    """Columns whose squares add up to the covariance of all parameters, shape (size, r)."""
    posterior = mode.posterior
    if posterior.n > DENSE_LIMIT:
        count = max(4, DRAWN_NUMBERS // posterior.n)
        draws = posterior.draws(mode, count, np.random.default_rng(DRAW_SEED))
        return np.asarray(draws / np.sqrt(count), dtype=np.float64)
    roots = mode.information.roots()
    if posterior.free is not None:
        roots[: posterior.n] *= posterior.free[:, None]
    return roots
