"""How consistent the judges are: each with itself, and any two with each other."""

import cj_measurement as measurement
from event_contracts import JsonObject

from cj_assessment.domain.measuring.fitting import Fitted, all_finite


def split_half_reliability(fitted: Fitted, *, seed: int) -> float | None:
    """Correlation of the scales of random halves, stepped up; None where halves have too little in common."""
    try:
        fit = fitted.fit
        halves = measurement.split_half(fit if fit.is_graded else fit.comparisons, seed=seed % 2**32)
    except measurement.NUMERICAL_ERRORS:
        return None
    return halves.stepped_up if halves is not None and all_finite(halves.stepped_up) else None


def judge_agreement(fitted: Fitted) -> dict[str, JsonObject]:
    """For each judge, how often it agrees with itself in both orders, and with every other on common pairs.

    Empty where that could not be computed.
    """
    try:
        return _agreement_by_judge(fitted)
    except measurement.NUMERICAL_ERRORS:
        return {}


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
