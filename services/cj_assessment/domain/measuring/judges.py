"""How consistent the judges are: each with itself, and any two with each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cj_measurement as measurement
from event_contracts import JsonObject

from cj_assessment.domain.measuring.fitting import Fitted, all_finite

SPLIT_HALF: Final = "split_half"
AGREEMENT: Final = "agreement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """How consistent the judges of a fit are.

    ``split_half`` is the correlation of the scales of random halves, stepped up; None where halves have too little in
    common. ``agreement`` says for each judge how often it agrees with itself in both orders, and with every other on
    common pairs. ``not_computed`` says by name why one of the two is missing.
    """

    split_half: float | None = None
    agreement: Mapping[str, JsonObject]
    not_computed: Mapping[str, str]


def judge_consistency(fitted: Fitted, *, seed: int) -> Consistency:
    """What can be said of the judges' consistency; never raises."""
    not_computed: dict[str, str] = {}
    split_half: float | None = None
    agreement: Mapping[str, JsonObject] = {}
    try:
        split_half = _split_half(fitted, seed=seed)
    except measurement.NUMERICAL_ERRORS as error:
        not_computed[SPLIT_HALF] = str(error)
    try:
        agreement = _agreement_by_judge(fitted)
    except measurement.NUMERICAL_ERRORS as error:
        not_computed[AGREEMENT] = str(error)
    return Consistency(split_half=split_half, agreement=agreement, not_computed=not_computed)


def _split_half(fitted: Fitted, *, seed: int) -> float | None:
    fit = fitted.fit
    halves = measurement.split_half(fit if fit.is_graded else fit.comparisons, seed=seed % 2**32)
    if halves is None:
        return None
    if not all_finite(halves.stepped_up):
        raise measurement.NotConverged("the correlation of the halves is not finite")
    return halves.stepped_up


def _agreement_by_judge(fitted: Fitted) -> dict[str, JsonObject]:
    comparisons = fitted.fit.comparisons
    swaps = {swap.judge: swap for swap in measurement.swap_consistency(comparisons)}
    return {
        name: {
            "both_orders": {"pairs": swaps[judge].pairs, "same_winner_share": swaps[judge].same_winner_share},
            "agreement": {
                other: _agreement(measurement.agreement_of(comparisons, judge, place))
                for place, other in enumerate(fitted.judges)
                if place != judge
            },
        }
        for judge, name in enumerate(fitted.judges)
    }


def _agreement(agreement: measurement.Agreement | None) -> JsonObject:
    if agreement is None:
        return {"pairs": 0, "share": None, "kappa": None}
    return {"pairs": agreement.pairs, "share": agreement.agreement, "kappa": agreement.kappa}
