"""Several judges — models, prompt versions, people — in one fit: each judge's parameters, fit and agreement."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cj_measurement.comparisons import TINY, BoolArray, Comparisons, FloatArray, IntArray
from cj_measurement.diagnostics.fit_statistics import judge_fit
from cj_measurement.errors import InvalidArgument
from cj_measurement.fitting.bradley_terry import fit
from cj_measurement.fitting.result import Discrimination, Fit, LevelEvidence, PositionBias


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """How well the scale of all other judges predicts one judge's ``n`` decisions.

    ``accuracy`` is the share in which the better item won, ``log_loss`` the mean of −log P(what happened), .693 for
    coins. The judge's own position effect and discrimination are unknown to the others, and not used.
    """

    n: int
    accuracy: float
    log_loss: float


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Two judges on the pairs that both judged.

    ``pairs`` counts different pairs, ``decisions`` the first judge's decisions on them. ``agreement`` is the share of
    those in which the second chose the same item; ``kappa`` (Cohen 1960) corrects it for judges who take a slot
    rather than an item, and is None where both always took the same slot.
    """

    first: int
    second: int
    pairs: int
    decisions: int
    agreement: float
    kappa: float | None


@dataclass(frozen=True, kw_only=True)
class JudgeReport:
    """One judge of a panel; ``position`` is None where slots were not used enough, ``left_out`` without others.

    ``levels`` says what its levels tell, None for one who only names winners.
    """

    judge: int
    n: int
    position: PositionBias | None
    discrimination: Discrimination
    infit: float
    outfit: float
    misfits: bool
    left_out: LeftOut | None
    levels: LevelEvidence | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """A fit with the parameters of every judge, a report on each, and the agreement of any two with common pairs."""

    fit: Fit
    judges: tuple[JudgeReport, ...]
    agreements: tuple[Agreement, ...]


def analyse_panel(comparisons: Comparisons, *, allow_disconnected: bool = False) -> Panel:
    """Fit all judges together; raises ``InvalidArgument`` for fewer than two judges, and what ``fit`` raises."""
    judges = np.flatnonzero(comparisons.judge_counts)
    if len(judges) < 2:
        raise InvalidArgument("a panel has at least two judges")
    fitted = fit(comparisons, discrimination="per_judge", allow_disconnected=allow_disconnected)
    agreements = (agreement_of(comparisons, int(i), int(j)) for i, j in combinations(judges, 2))
    return Panel(
        fit=fitted,
        judges=_reports(fitted),
        agreements=tuple(agreement for agreement in agreements if agreement is not None),
    )


def _reports(fitted: Fit) -> tuple[JudgeReport, ...]:
    squares = judge_fit(fitted)
    position = {bias.judge: bias for bias in fitted.position_bias}
    levels = {evidence.judge: evidence for evidence in fitted.levels}
    return tuple(
        JudgeReport(
            judge=one.judge,
            n=one.n,
            position=position.get(one.judge),
            discrimination=one,
            infit=float(squares.infit[one.judge]),
            outfit=float(squares.outfit[one.judge]),
            misfits=bool(squares.misfits[one.judge]),
            left_out=leave_out(fitted, one.judge),
            levels=levels.get(one.judge),
        )
        for one in fitted.discrimination
        if one.n
    )


def leave_out(fitted: Fit, judge: int) -> LeftOut | None:
    """Predict one judge from a fit to all others at the same τ; None where the others do not link any of the pairs."""
    data = fitted.comparisons
    others, own = data.where(data.judge != judge), data.where(data.judge == judge)
    if len(others) == 0:
        return None
    part = others.components()
    own = own.where(part[own.slot_a] == part[own.slot_b])
    if len(own) == 0:
        return None
    rest = fit(
        others,
        start=fitted.theta,
        tau=fitted.tau,
        discrimination="per_judge",
        allow_disconnected=True,
        models={evidence.judge: evidence.model for evidence in fitted.levels if evidence.judge != judge},
    )
    chance = rest.probability(own.winners, own.losers)
    return LeftOut(
        n=len(own),
        accuracy=float(np.mean(np.where(chance == 0.5, 0.5, chance > 0.5))),
        log_loss=float(-np.log(np.maximum(chance, TINY)).mean()),
    )


def agreement_of(comparisons: Comparisons, first: int, second: int) -> Agreement | None:
    """Agreement of two judges; None where they have no pair in common.

    Each decision of the first is held against the share of the second's decisions on the same pair: those in the same
    order of slots if there are any, else those in the other.
    """
    one, other = comparisons.where(comparisons.judge == first), comparisons.where(comparisons.judge == second)
    share = _share_of_first_slot(one, other)
    common = np.isfinite(share)
    if not common.any():
        return None
    won, share = one.a_won[common].astype(np.float64), share[common]
    a, b = one.slot_a[common], one.slot_b[common]
    agreement = float(np.mean(won * share + (1 - won) * (1 - share)))
    return Agreement(
        first=first,
        second=second,
        pairs=len(np.unique(np.minimum(a, b) * one.n_items + np.maximum(a, b))),
        decisions=int(common.sum()),
        agreement=agreement,
        kappa=_kappa(agreement, float(won.mean()), float(share.mean())),
    )


def _share_of_first_slot(one: Comparisons, other: Comparisons) -> FloatArray:
    """How often the other judge chose the item in slot A of each of one's comparisons (m,), NaN where never seen."""
    n = one.n_items
    wanted = one.slot_a * n + one.slot_b
    same = _shares(other.slot_a * n + other.slot_b, other.a_won, wanted)
    reversed_order = _shares(other.slot_b * n + other.slot_a, ~other.a_won, wanted)
    return np.where(np.isfinite(same), same, reversed_order)


def _shares(keys: IntArray, won: BoolArray, wanted: IntArray) -> FloatArray:
    """Share of wins by key, at the wanted keys; NaN for keys that are not there."""
    known, place = np.unique(keys, return_inverse=True)
    if not len(known):
        return np.full(len(wanted), np.nan)
    share = np.bincount(place, won) / np.bincount(place)
    found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[found] == wanted, share[found], np.nan)


def _kappa(agreement: float, first: float, second: float) -> float | None:
    """``first`` and ``second``: how often either judge chose the item in slot A."""
    by_chance = first * second + (1 - first) * (1 - second)
    return None if by_chance == 1 else (agreement - by_chance) / (1 - by_chance)
