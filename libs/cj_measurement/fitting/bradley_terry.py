"""The Bradley–Terry model with judges' parameters and an estimated prior (empirical Bayes).

P(A wins) = σ(a_j (θ_A − θ_B) + b_j), θ ~ N(0, τ²), and τ² is the value under which the data are most probable
(marginal likelihood by Laplace's approximation). b_j is judge j's preference for the first slot, in logits; a_j is
the judge's discrimination, 1 for all unless it is asked for, then with a geometric mean of 1.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from cj_measurement.comparisons import Comparisons, IntArray
from cj_measurement.errors import GraphNotConnected, InvalidArgument, InvalidComparisons
from cj_measurement.fitting.answer_scales import VerdictModel
from cj_measurement.fitting.model_choice import graded
from cj_measurement.fitting.posterior import FixedAbilities, Posterior
from cj_measurement.fitting.result import Fit
from cj_measurement.fitting.tau import Profile, best_log_tau

MIN_SLOT_USES = 10
"""b_j is estimated when the judge's items stood this often in a slot after as often in the other."""

PositionEffects = Literal["auto", "none"]
Discriminations = Literal["equal", "per_judge"]


def fit(
    comparisons: Comparisons,
    *,
    start: "npt.ArrayLike | Fit | None" = None,
    position_effects: PositionEffects = "auto",
    discrimination: Discriminations = "equal",
    tau: float | Sequence[float] | None = None,
    tau_near: float | None = None,
    known: FixedAbilities | None = None,
    allow_disconnected: bool = False,
    models: Mapping[int, VerdictModel] | None = None,
) -> Fit:
    """Fit abilities, judges' parameters and τ.

    ``start`` is an earlier θ (n,) or fit of the same items. ``tau`` fixes τ, or names the values of which the best
    is taken; without it τ is searched for, from ``tau_near`` on or from what it was in ``start``. Abilities in
    ``known`` are kept, and put the others on their scale. A judge's levels count where the answers say that they tell
    something; ``models`` says by judge what to take untested.

    Raises ``GraphNotConnected`` unless every item is linked to every other (or to a known one) or
    ``allow_disconnected`` is set; ``InvalidComparisons`` where there are none; ``InvalidArgument``; ``NotConverged``.
    """
    _check_arguments(comparisons, start, tau, tau_near, known)
    if not allow_disconnected:
        _check_connected(comparisons, known)
    posterior = Posterior(
        comparisons,
        position_judges=_biased_judges(comparisons) if position_effects == "auto" else np.empty(0, np.int64),
        discrimination=discrimination == "per_judge" and comparisons.n_judges > 1,
        fixed=known,
    )
    profile = Profile(posterior, start)
    near = start.tau if tau_near is None and isinstance(start, Fit) else tau_near
    mode = profile.mode(best_log_tau(profile, tau, near))
    winner = Fit.of(posterior, mode, tau_estimated=not isinstance(tau, int | float))
    if comparisons.levels is None:
        return winner
    return graded(winner, models=models, start=start if isinstance(start, Fit) else None)


def _check_arguments(
    comparisons: Comparisons,
    start: "npt.ArrayLike | Fit | None",
    tau: float | Sequence[float] | None,
    tau_near: float | None,
    known: FixedAbilities | None,
) -> None:
    if len(comparisons) == 0:
        raise InvalidComparisons("nothing was compared: there is no scale to find")
    theta = start.theta if isinstance(start, Fit) else start
    if theta is not None and (np.shape(theta) != (comparisons.n_items,) or not np.isfinite(theta).all()):
        raise InvalidArgument(f"start must hold {comparisons.n_items} finite abilities")
    if tau is not None and not (np.size(tau) and np.isfinite(tau).all() and np.min(tau) > 0):
        raise InvalidArgument("tau must be finite and positive")
    if tau_near is not None and not 0 < tau_near < math.inf:
        raise InvalidArgument("tau_near must be finite and positive")
    if known is not None:
        _check_known(comparisons, known)


def _check_known(comparisons: Comparisons, known: FixedAbilities) -> None:
    shape = (comparisons.n_items,)
    if known.known.shape != shape or known.theta.shape != shape:
        raise InvalidArgument(
            f"known abilities are given for {comparisons.n_items} items: a mark and a value each"
        )
    if not known.known.any() or not np.isfinite(known.theta[known.known]).all():
        raise InvalidArgument("known abilities must be finite, and at least one")
    if np.count_nonzero(~known.known) < 2:
        raise InvalidArgument("at least two abilities must be left to estimate")


def _check_connected(comparisons: Comparisons, known: FixedAbilities | None) -> None:
    if comparisons.links.is_connected():
        return
    part = comparisons.components()
    if known is not None and np.isin(part, part[known.known]).all():
        return
    raise GraphNotConnected("some items were never compared with the others: judge pairs that link them")


def _biased_judges(comparisons: Comparisons) -> IntArray:
    """Judges who saw enough items in either slot, so that their preference for one is not the items' doing."""
    cells, shape = comparisons.n_judges * comparisons.n_items, (comparisons.n_judges, comparisons.n_items)
    row = comparisons.judge * comparisons.n_items
    in_a = np.bincount(row + comparisons.slot_a, minlength=cells).reshape(shape)
    in_b = np.bincount(row + comparisons.slot_b, minlength=cells).reshape(shape)
    return np.flatnonzero(np.minimum(in_a, in_b).sum(1) >= MIN_SLOT_USES)
