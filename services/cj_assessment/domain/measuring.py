"""The measurement library as an assessment uses it: items are essays, judges are models."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import cj_measurement as measurement
from event_contracts import (
    ComparisonState,
    ConfidenceLabel,
    ForecastView,
    GradeScale,
    JsonObject,
    UntilTargetView,
    usd,
)

from cj_assessment.domain.batch import Essay, Judge
from cj_assessment.domain.comparison import Asked, PlannedComparison


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A fit and the judges that it tells apart, by their place."""

    fit: measurement.Fit
    judges: tuple[str, ...]

    @cached_property
    def classical(self) -> measurement.ClassicalFit | None:
        """The fit of the field, shown beside the one that decides; None where its steps do not settle."""
        try:
            return measurement.fit_classical(self.fit.comparisons, allow_disconnected=True)
        except measurement.MeasurementError:
            return None


@dataclass(frozen=True, kw_only=True)
class GradedEssay:
    """An essay's projected grade, and how probable each grade is."""

    grade: str
    confidence: float
    label: ConfidenceLabel
    normalized_score: float
    probabilities: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Grading:
    """Grades by usable essay, empty when there are none; ``information`` says how, or why not."""

    essays: tuple[GradedEssay, ...]
    method: str | None
    information: JsonObject


FAILED = ComparisonState.FAILED
METHOD = "smooth_monotone_anchor_centres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a fit may begin, to end sooner in the same place: abilities and τ of an earlier one, in logits."""

    theta: tuple[float, ...]
    tau: float


def fit_evidence(
    essays: Sequence[Essay], evidence: Sequence[Asked], *, start: Start | None = None
) -> Fitted | None:
    """Fit the judged comparisons of these essays; None while they do not connect all of them."""
    comparisons, judges = _comparisons(essays, evidence)
    if len(comparisons) == 0:
        return None
    try:
        if start is None or len(start.theta) != len(essays):
            return Fitted(fit=measurement.fit(comparisons), judges=judges)
        fitted = measurement.fit(comparisons, start=start.theta, tau_near=start.tau)
        return Fitted(fit=fitted, judges=judges)
    except measurement.GraphNotConnected:
        return None


def largest_group(essays: Sequence[Essay], evidence: Sequence[Asked]) -> tuple[Essay, ...]:
    """The most essays that the comparisons link to each other."""
    comparisons, _ = _comparisons(essays, evidence)
    group = comparisons.components()
    sizes = Counter(int(number) for number in group)
    largest = max(sizes, key=lambda number: sizes[number])
    return tuple(essay for essay, number in zip(essays, group, strict=True) if number == largest)


def among(essays: Sequence[Essay], evidence: Sequence[Asked]) -> tuple[Asked, ...]:
    """The comparisons of these essays with each other."""
    items = {essay.item for essay in essays}
    return tuple(asked for asked in evidence if asked.slot_a in items and asked.slot_b in items)


def _comparisons(
    essays: Sequence[Essay], evidence: Sequence[Asked]
) -> tuple[measurement.Comparisons, tuple[str, ...]]:
    """The comparisons among these essays as arrays, and the judges by their number."""
    place = _places(essays)
    inside = among(essays, evidence)
    judges = tuple(sorted({asked.judge or "" for asked in inside}))
    number = {judge: index for index, judge in enumerate(judges)}
    comparisons = measurement.Comparisons.of(
        len(essays),
        [place[asked.slot_a] for asked in inside],
        [place[asked.slot_b] for asked in inside],
        [bool(asked.a_won) for asked in inside],
        [number[asked.judge or ""] for asked in inside],
    )
    return comparisons, judges


def least_compared(essays: Sequence[Essay], evidence: Sequence[Asked]) -> int:
    """Comparisons of the essay that has fewest."""
    times = Counter(item for asked in evidence for item in (asked.slot_a, asked.slot_b))
    return min(times[essay.item] for essay in essays)


def pairing_state(
    essays: Sequence[Essay], asked: Sequence[Asked], fitted: Fitted | None
) -> measurement.PairingState:
    """What the next round of these essays depends on.

    A pair that could not be judged is asked once more, in its turn: its first failure does not count as asked.
    """
    place = _places(essays)
    lively = _counting(among(essays, asked))
    return measurement.PairingState.of(
        len(essays),
        [(place[pair.slot_a], place[pair.slot_b]) for pair in lively],
        random_links=sum(pair.chosen_by in measurement.RANDOM_REASONS for pair in lively),
        fit=None if fitted is None else fitted.fit,
    )


def with_judges(
    planned: Sequence[measurement.Pair],
    essays: Sequence[Essay],
    asked: Sequence[Asked],
    *,
    judges: Sequence[Judge],
) -> tuple[PlannedComparison, ...]:
    """The pairs as comparisons of these essays, each with its judge."""
    times = Counter((pair.slot_a, pair.slot_b) for pair in asked)
    assigned = assign_judges([judge.share for judge in judges], asked, count=len(planned))
    return tuple(
        PlannedComparison(
            slot_a=essays[pair.slot_a].item,
            slot_b=essays[pair.slot_b].item,
            repetition=times[essays[pair.slot_a].item, essays[pair.slot_b].item],
            chosen_by=pair.reason,
            assigned=judge,
        )
        for pair, judge in zip(planned, assigned, strict=True)
    )


def _counting(asked: Sequence[Asked]) -> list[Asked]:
    """All but the first failure of each pair."""
    failed_before: set[frozenset[int]] = set()
    counting = []
    for pair in asked:
        items = frozenset((pair.slot_a, pair.slot_b))
        if pair.state == FAILED and items not in failed_before:
            failed_before.add(items)
        else:
            counting.append(pair)
    return counting


def assign_judges(shares: Sequence[float], asked: Sequence[Asked], *, count: int) -> list[int]:
    """A judge for each of ``count`` new pairs: whoever is furthest behind its share of all comparisons."""
    done = Counter(pair.assigned for pair in asked)
    assigned: list[int] = []
    for total in range(len(asked) + 1, len(asked) + count + 1):
        behind = [share * total - done[judge] for judge, share in enumerate(shares)]
        chosen = behind.index(max(behind))
        done[chosen] += 1
        assigned.append(chosen)
    return assigned


def outlook(
    state: measurement.PairingState,
    planned: Sequence[measurement.Pair],
    *,
    target_reliability: float,
    cost_usd: Decimal | None,
) -> ForecastView:
    """What further judging would bring, counted from the fit in ``state``; ``cost_usd`` is a comparison's."""
    seen = measurement.forecast(
        state,
        target_reliability=target_reliability,
        cost_per_comparison=cost_usd or Decimal(0),
        seed=0,
        planned=planned,
    )
    until = seen.until_target
    return ForecastView(
        comparisons=seen.comparisons,
        eb=seen.eb_reliability,
        cost_usd=None if cost_usd is None else usd(seen.cost_usd),
        until_target=None
        if until is None
        else UntilTargetView(
            comparisons=until.expected,
            low=until.low,
            high=until.high,
            cost_usd=None if cost_usd is None else usd(until.cost_usd),
        ),
    )


def grade_change_share(
    essays: Sequence[Essay], *, fitted: Fitted, scale: GradeScale | None, seed: int
) -> float | None:
    """Expected share of the essays whose grade more judging would change; None where there are no grades."""
    projection = _projection(essays, fitted, scale, seed) if scale else None
    return projection.change_share if isinstance(projection, measurement.GradeProjection) else None


def grade_essays(essays: Sequence[Essay], *, fitted: Fitted, scale: GradeScale | None, seed: int) -> Grading:
    """Grades of all usable essays through those that are anchors."""
    if scale is None:
        return _no_grades("no anchors: nothing says what grade a score means")
    projection = _projection(essays, fitted, scale, seed)
    if isinstance(projection, measurement.NoProjection):
        return _no_grades(projection.reason)
    return Grading(
        essays=tuple(_graded(projection, place, scale) for place in range(len(essays))),
        method=METHOD,
        information=_information(projection, essays, scale),
    )


def _projection(
    essays: Sequence[Essay], fitted: Fitted, scale: GradeScale, seed: int
) -> measurement.GradeProjection | measurement.NoProjection:
    fit = fitted.fit
    return measurement.project_grades(
        theta=fit.posterior_mean,
        covariance=fit.covariance if fit.n_items <= measurement.COVARIANCE_LIMIT else fit.variances,
        anchors=[
            measurement.Anchor(place, scale.index(essay.anchor_grade))
            for place, essay in enumerate(essays)
            if essay.anchor_grade is not None
        ],
        scale=measurement.ScaleShape(len(scale.grades), scale.below_lowest is not None, scale.priors),
        seed=seed,
        tau=fit.tau,
        wins=fit.comparisons.scores,
    )


def _no_grades(reason: str) -> Grading:
    return Grading(essays=(), method=None, information={"reason": reason})


def _grade_names(scale: GradeScale) -> tuple[str, ...]:
    """The grades in the order of a projection's columns."""
    return scale.grades if scale.below_lowest is None else (scale.below_lowest, *scale.grades)


def _graded(projection: measurement.GradeProjection, place: int, scale: GradeScale) -> GradedEssay:
    names = _grade_names(scale)
    chances = [float(chance) for chance in projection.probabilities[place]]
    confidence = max(chances)
    return GradedEssay(
        grade=names[chances.index(confidence)],
        confidence=confidence,
        label=ConfidenceLabel(measurement.confidence_label(confidence)),
        normalized_score=_normalized(float(projection.expected_grade[place]), scale),
        probabilities=dict(zip(names, chances, strict=True)),
    )


def _normalized(expected_grade: float, scale: GradeScale) -> float:
    """0 for the scale's lowest grade, 1 for its highest; the grade below the lowest is a grade as well."""
    lowest = 0 if scale.below_lowest is None else -1
    share = (expected_grade - lowest) / (len(scale.grades) - 1 - lowest)
    return min(1.0, max(0.0, share))


def _information(
    projection: measurement.GradeProjection, essays: Sequence[Essay], scale: GradeScale
) -> JsonObject:
    names = _grade_names(scale)
    return {
        "method": METHOD,
        "kendall_tau": projection.kendall_tau,
        "expected_change_share": projection.change_share,
        "boundaries": {
            f"{lower}|{upper}": float(boundary)
            for lower, upper, boundary in zip(names, names[1:], projection.boundaries, strict=False)
        },
        "displacement": {
            essays[item].essay_id: distance for item, distance in projection.displacement.items()
        },
        "warnings": [_warning(warning, essays, scale) for warning in projection.warnings],
    }


def _warning(warning: measurement.GradeWarning, essays: Sequence[Essay], scale: GradeScale) -> str:
    named = [essays[item].essay_id for item in warning.items]
    named += [scale.grades[grade] for grade in warning.grades]
    return f"{warning.message}: {', '.join(named)}" if named else warning.message


def position_bias(fitted: Fitted) -> JsonObject:
    """Each judge's preference for the first slot: b and its standard error in logits."""
    return {
        fitted.judges[bias.judge]: {
            "b": bias.b,
            "se": bias.standard_error,
            "p_first_if_equal": bias.p_first_if_equal,
            "comparisons": bias.n,
        }
        for bias in fitted.fit.position_bias
    }


def split_half_reliability(fitted: Fitted, *, seed: int) -> float | None:
    """Correlation of the scales of random halves, stepped up; None where halves have too little in common."""
    halves = measurement.split_half(fitted.fit.comparisons, seed=seed % 2**32)
    return None if halves is None else halves.stepped_up


def judge_agreement(fitted: Fitted) -> dict[str, JsonObject]:
    """For each judge, how often it agrees with itself in both orders, and with every other on common pairs."""
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


def largest_position_bias(fitted: Fitted) -> float | None:
    """The largest |b| of any judge in logits; None where none could be estimated."""
    return max((abs(bias.b) for bias in fitted.fit.position_bias), default=None)


def _places(essays: Sequence[Essay]) -> dict[int, int]:
    return {essay.item: place for place, essay in enumerate(essays)}


def round_seed(seed: int, number: int) -> int:
    """A seed of its own for each round of a batch."""
    return random.Random(f"{seed}:{number}").getrandbits(63)
