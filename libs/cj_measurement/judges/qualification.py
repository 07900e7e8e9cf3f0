"""Whether a candidate judge may take a reference judge's place: a verdict with reasons, from the same pairs.

Each criterion is an interval held against a limit: passed when all of it is on the right side, failed when none is,
undecided in between. One failed criterion is enough to refuse, all must be passed to qualify.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import numpy as np
from scipy.special import expit, ndtri

from cj_measurement.comparisons import Comparisons
from cj_measurement.errors import GraphNotConnected, InvalidArgument
from cj_measurement.fitting.bradley_terry import fit
from cj_measurement.fitting.result import Fit
from cj_measurement.judges.panels import Agreement, agreement_of
from cj_measurement.judges.scale_correlation import scale_correlation

PREDICTIVE_DRAWS = 200
DRAW_SEED = 97


class Verdict(StrEnum):
    """What the evidence says about the candidate."""

    QUALIFIED = "qualified"
    NOT_QUALIFIED = "not_qualified"
    UNDECIDED = "undecided"


class CriterionStatus(StrEnum):
    """How a criterion stands."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    NOT_EVALUATED = "not_evaluated"


@dataclass(frozen=True, kw_only=True)
class QualificationSettings:
    """The limits.

    ``max_agreement_shortfall``: how much less often the candidate may agree with the reference than the reference, by
    its own noise, would agree with itself. ``min_correlation``: of the two scales, freed of error. ``min_sharpness``:
    the candidate's discrimination over the reference's. ``max_position_effect``: |b| in logits. ``max_cost_ratio``:
    the candidate's cost over the reference's, None for no limit. ``level`` is that of the intervals.
    """

    min_pairs: int = 100
    max_agreement_shortfall: float = 0.05
    min_correlation: float = 0.90
    min_sharpness: float = 0.70
    max_position_effect: float = 0.50
    max_cost_ratio: float | None = None
    level: float = 0.90


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One value with its interval, the limit it is held against, and a sentence that says how it stands."""

    name: str
    status: CriterionStatus
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None


@dataclass(frozen=True, kw_only=True)
class Qualification:
    """The verdict on a candidate, with the criteria that it rests on."""

    verdict: Verdict
    criteria: tuple[Criterion, ...]
    agreement: Agreement

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why: the criteria that decided, or all of them where all were passed."""
        decisive = {
            Verdict.NOT_QUALIFIED: CriterionStatus.FAILED,
            Verdict.UNDECIDED: CriterionStatus.UNDECIDED,
            Verdict.QUALIFIED: CriterionStatus.PASSED,
        }[self.verdict]
        return tuple(criterion.reason for criterion in self.criteria if criterion.status is decisive)


def qualify(
    comparisons: Comparisons,
    *,
    reference: int,
    candidate: int,
    reference_cost: Decimal | None = None,
    candidate_cost: Decimal | None = None,
    settings: QualificationSettings | None = None,
) -> Qualification:
    """Compare two judges of ``comparisons`` on the pairs that both judged; costs are per comparison.

    Raises ``InvalidArgument`` where they have no pair in common or are the same.
    """
    limits = settings or QualificationSettings()
    if candidate == reference:
        raise InvalidArgument("cannot compare a judge with itself: give two judges")
    shared = agreement_of(comparisons, candidate, reference)
    if shared is None:
        raise InvalidArgument("the two judges have no pair in common: have both judge the same pairs")
    evidence = _Evidence.of(comparisons, reference, candidate)
    criteria = (
        _enough_pairs(shared, limits),
        _agreement(shared, evidence, limits),
        _correlation(evidence, limits),
        _sharpness(evidence, limits),
        _position(evidence, limits),
        _cost(reference_cost, candidate_cost, limits),
    )
    return Qualification(verdict=_verdict(criteria), criteria=criteria, agreement=shared)


def _verdict(criteria: tuple[Criterion, ...]) -> Verdict:
    statuses = {criterion.status for criterion in criteria}
    if CriterionStatus.FAILED in statuses:
        return Verdict.NOT_QUALIFIED
    return Verdict.UNDECIDED if CriterionStatus.UNDECIDED in statuses else Verdict.QUALIFIED


@dataclass(frozen=True, eq=False)
class _Evidence:
    """Fits to the common pairs: of either judge alone, and of both; None where those pairs fall into parts."""

    reference: Fit | None
    candidate: Fit | None
    both: Fit | None

    @classmethod
    def of(cls, comparisons: Comparisons, reference: int, candidate: int) -> "_Evidence":
        common = _on_common_pairs(comparisons, reference, candidate)
        first, second = common.where(common.judge == 0), common.where(common.judge == 1)
        try:
            return cls(fit(first), fit(second), fit(common, discrimination="per_judge"))
        except GraphNotConnected:
            return cls(None, None, None)


def _on_common_pairs(comparisons: Comparisons, reference: int, candidate: int) -> Comparisons:
    """Comparisons of items 0, 1, ... by judges 0 (reference) and 1 (candidate), on pairs that both judged."""
    both = comparisons.where(np.isin(comparisons.judge, (reference, candidate)))
    low, high = np.minimum(both.slot_a, both.slot_b), np.maximum(both.slot_a, both.slot_b)
    pair = low * comparisons.n_items + high
    seen = [pair[both.judge == judge] for judge in (reference, candidate)]
    kept = both.where(np.isin(pair, np.intersect1d(*seen)))
    items, place = np.unique(np.concatenate([kept.slot_a, kept.slot_b]), return_inverse=True)
    slot_a, slot_b = place[: len(kept)], place[len(kept) :]
    return Comparisons.of(len(items), slot_a, slot_b, kept.a_won, kept.judge == candidate, weight=kept.weight)


def _enough_pairs(shared: Agreement, limits: QualificationSettings) -> Criterion:
    enough = shared.pairs >= limits.min_pairs
    return Criterion(
        name="pairs",
        status=CriterionStatus.PASSED if enough else CriterionStatus.UNDECIDED,
        reason=f"{shared.pairs} common pairs, at least {limits.min_pairs} are required",
        value=shared.pairs,
        limit=limits.min_pairs,
    )


def _agreement(shared: Agreement, evidence: _Evidence, limits: QualificationSettings) -> Criterion:
    expected = None if evidence.reference is None else _agreement_with_itself(evidence.reference)
    if expected is None:
        return _not_linked("agreement_shortfall", limits.max_agreement_shortfall)
    low, high = _wilson(shared.agreement, shared.pairs, _z(limits))
    return _held(
        "agreement_shortfall",
        (expected - shared.agreement, expected - high, expected - low),
        limits.max_agreement_shortfall,
        is_most=True,
        reason=lambda interval: (
            f"agrees with the reference in {shared.agreement:.0%}, {interval} less than the reference would with "
            f"itself ({expected:.0%}); at most {limits.max_agreement_shortfall:.2f} less is wanted"
        ),
    )


def _agreement_with_itself(reference: Fit) -> float:
    """How often two decisions of the reference on the same pair agree: the mean of p² + (1−p)² over its posterior."""
    data, draws = reference.comparisons, reference.draws(PREDICTIVE_DRAWS, seed=DRAW_SEED)
    logit = draws[:, data.slot_a] - draws[:, data.slot_b] + reference.effects[data.judge]
    chance = expit(logit)
    return float(np.mean(chance**2 + (1 - chance) ** 2))


def _correlation(evidence: _Evidence, limits: QualificationSettings) -> Criterion:
    if evidence.reference is None or evidence.candidate is None:
        return _not_linked("correlation", limits.min_correlation)
    found = scale_correlation(evidence.reference, evidence.candidate, level=limits.level)
    return _held(
        "correlation",
        (found.rho, found.low, found.high),
        limits.min_correlation,
        is_most=False,
        reason=lambda interval: (
            f"its scale correlates {interval} with the reference's, freed of error; at least "
            f"{limits.min_correlation:.2f} is wanted"
        ),
    )


def _sharpness(evidence: _Evidence, limits: QualificationSettings) -> Criterion:
    """The slopes of two judges are a and 1/a: the ratio is a², and its logarithm has twice the error."""
    if evidence.both is None:
        return _not_linked("sharpness", limits.min_sharpness)
    own = evidence.both.discrimination[1]
    centre, half = 2 * math.log(own.a), 2 * _z(limits) * own.log_standard_error
    return _held(
        "sharpness",
        (math.exp(centre), math.exp(centre - half), math.exp(centre + half)),
        limits.min_sharpness,
        is_most=False,
        reason=lambda interval: (
            f"discriminates between essays {interval} times as sharply as the reference; at least "
            f"{limits.min_sharpness:.2f} is wanted"
        ),
    )


def _position(evidence: _Evidence, limits: QualificationSettings) -> Criterion:
    bias = next(iter(evidence.candidate.position_bias), None) if evidence.candidate is not None else None
    if bias is None:
        return _undecided(
            "position_effect",
            limits.max_position_effect,
            "its position effect is unknown: too few pairs in both slots",
        )
    half = _z(limits) * bias.standard_error
    size = abs(bias.b)
    return _held(
        "position_effect",
        (size, max(size - half, 0.0), size + half),
        limits.max_position_effect,
        is_most=True,
        reason=lambda interval: (
            f"prefers the {'first' if bias.b >= 0 else 'second'} slot by {interval} logits; at most "
            f"{limits.max_position_effect:.2f} is wanted"
        ),
    )


def _cost(reference: Decimal | None, candidate: Decimal | None, limits: QualificationSettings) -> Criterion:
    if not reference or candidate is None:
        return Criterion(
            name="cost_ratio", status=CriterionStatus.NOT_EVALUATED, reason="its cost is not known"
        )
    ratio, limit = float(candidate / reference), limits.max_cost_ratio
    if limit is None:
        reason = f"costs {ratio:.2f} times as much; there is no limit"
        return Criterion(name="cost_ratio", status=CriterionStatus.NOT_EVALUATED, reason=reason, value=ratio)
    return Criterion(
        name="cost_ratio",
        status=CriterionStatus.PASSED if ratio <= limit else CriterionStatus.FAILED,
        reason=f"costs {ratio:.2f} times as much; at most {limit:.2f} is wanted",
        value=ratio,
        limit=limit,
    )


def _held(
    name: str,
    value_and_interval: tuple[float, float, float],
    limit: float,
    *,
    is_most: bool,
    reason: Callable[[str], str],
) -> Criterion:
    """Hold an interval against a limit: at most it, or at least it."""
    value, low, high = value_and_interval
    nearest, furthest = (low, high) if is_most else (-high, -low)
    bound = limit if is_most else -limit
    otherwise = CriterionStatus.UNDECIDED if nearest <= bound else CriterionStatus.FAILED
    return Criterion(
        name=name,
        status=CriterionStatus.PASSED if furthest <= bound else otherwise,
        reason=reason(f"{value:.2f} [{low:.2f}, {high:.2f}]"),
        value=value,
        low=low,
        high=high,
        limit=limit,
    )


def _not_linked(name: str, limit: float) -> Criterion:
    return _undecided(name, limit, "the common pairs do not link enough essays to each other")


def _undecided(name: str, limit: float, reason: str) -> Criterion:
    return Criterion(name=name, status=CriterionStatus.UNDECIDED, reason=reason, limit=limit)


def _z(limits: QualificationSettings) -> float:
    return float(ndtri((1 + limits.level) / 2))


def _wilson(share: float, n: int, z: float) -> tuple[float, float]:
    """Wilson's interval of a share (1927)."""
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return centre - half, centre + half
