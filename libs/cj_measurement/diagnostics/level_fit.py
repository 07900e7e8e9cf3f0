"""Whether judges use their levels as the model in use says."""

from dataclasses import dataclass

import numpy as np

from cj_measurement.comparisons import FloatArray
from cj_measurement.fitting.result import Fit


@dataclass(frozen=True, eq=False, kw_only=True)
class LevelFit:
    """One graded judge: shares of its levels (levels,) as observed and as expected from the abilities.

    ``infit`` is the mean square of what answers say beyond the fit, over what they should: near 1 when level and winner
    surprise as often as they should, higher when they contradict the scale.
    """

    judge: int
    n: int
    observed: FloatArray
    expected: FloatArray
    infit: float


def level_fit(fit: Fit) -> tuple[LevelFit, ...]:
    """For each judge whose levels count."""
    point, weight = fit.mode.point, fit.posterior.weight
    found = []
    for scale in fit.scales:
        x, own = -point.behind[scale.answers], weight[scale.answers]
        squares = own @ point.surprise[scale.answers] ** 2
        observed = np.bincount(scale.level, own, scale.levels) / own.sum()
        found.append(
            LevelFit(
                judge=scale.judge,
                n=len(scale.answers),
                observed=observed,
                expected=scale.expected_shares(x) @ own / own.sum(),
                infit=float(squares / (own @ scale.information(x))),
            )
        )
    return tuple(found)
