"""From judged comparisons to abilities on one scale, or to the typed reason why there are none."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import cj_measurement as measurement
from event_contracts import JsonObject, PositionEffect

from cj_assessment.domain.batch import Essay, Judge
from cj_assessment.domain.comparison import Asked


class NoFitReason(StrEnum):
    """Why judged comparisons give no scale."""

    NO_COMPARISONS = "no_comparisons"
    DISCONNECTED = "disconnected"
    NOT_CONVERGED = "not_converged"
    DEGENERATE = "degenerate"

    @property
    def more_comparisons_help(self) -> bool:
        """True where the remedy is to judge more pairs; the others are numerical failures."""
        return self in (NoFitReason.NO_COMPARISONS, NoFitReason.DISCONNECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoFit:
    """Comparisons without a scale: why, and what the measurement said."""

    reason: NoFitReason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartingValues:
    """Where a fit may begin, to end sooner in the same place: abilities and τ of an earlier one, in logits."""

    theta: tuple[float, ...]
    tau: float


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A fit, and the names of the judges who were asked, by their number in it."""

    fit: measurement.Fit
    judges: tuple[str, ...]

    @cached_property
    def classical(self) -> measurement.ClassicalFit | None:
        """The fit that the field uses, shown next to the one that decides; None where it has no solution."""
        try:
            classical = measurement.fit_classical(self.fit.comparisons, allow_disconnected=True)
        except measurement.NUMERICAL_ERRORS:
            return None
        return classical if all_finite(classical.ssr, classical.ssr_prime) else None

    @property
    def largest_position_bias(self) -> float | None:
        """The largest |b| of any judge in logits; None where none could be estimated."""
        return max((abs(bias.b) for bias in self.fit.position_bias), default=None)

    @property
    def levels(self) -> JsonObject:
        """What each judge's margins tell besides its winners, in words, with the lead of the evidence in nats."""
        return {
            self.judges[evidence.judge]: {
                "source": str(evidence.source),
                "model": str(evidence.model),
                "lead_nats": None if evidence.lead is None else round(evidence.lead, 3),
                "words": evidence.words,
            }
            for evidence in self.fit.levels
        }

    @property
    def position_bias(self) -> Mapping[str, PositionEffect]:
        """Each judge's preference for the first slot."""
        return {
            self.judges[bias.judge]: PositionEffect(
                b=bias.b,
                se=bias.standard_error,
                p_first_if_equal=bias.p_first_if_equal,
                comparisons=bias.n,
            )
            for bias in self.fit.position_bias
        }


def fit_comparisons(
    essays: Sequence[Essay],
    judged: Sequence[Asked],
    *,
    judges: Sequence[Judge],
    start: StartingValues | None = None,
) -> Fitted | NoFit:
    """Fit the judged comparisons of these essays with each other; a judge is the one that was asked.

    A fit that fails from ``start`` is tried once more without it.
    """
    try:
        comparisons, names = _comparisons(essays, judged, judges)
        if len(comparisons) == 0:
            return NoFit(
                reason=NoFitReason.NO_COMPARISONS, message="no comparison between these essays is judged"
            )
        return Fitted(fit=_finite(_fit(comparisons, start)), judges=names)
    except measurement.GraphNotConnected as error:
        return NoFit(reason=NoFitReason.DISCONNECTED, message=str(error))
    except measurement.NotConverged as error:
        return NoFit(reason=NoFitReason.NOT_CONVERGED, message=str(error))
    except measurement.NUMERICAL_ERRORS as error:
        return NoFit(reason=NoFitReason.DEGENERATE, message=str(error))


def _fit(comparisons: measurement.Comparisons, start: StartingValues | None) -> measurement.Fit:
    if start is None or len(start.theta) != comparisons.n_items:
        return measurement.fit(comparisons)
    try:
        return measurement.fit(comparisons, start=start.theta, tau_near=start.tau)
    except measurement.GraphNotConnected:
        raise
    except measurement.NUMERICAL_ERRORS:
        return measurement.fit(comparisons)


def _finite(fit: measurement.Fit) -> measurement.Fit:
    """The fit; raises ``NotConverged`` where one of its numbers is not finite."""
    biases = [number for bias in fit.position_bias for number in (bias.b, bias.standard_error)]
    if not all_finite(fit.tau, fit.eb_reliability, *fit.theta, *fit.standard_errors, *biases):
        raise measurement.NotConverged("the fit has abilities or errors that are not finite")
    return fit


def all_finite(*numbers: float) -> bool:
    """True where no number is NaN or an infinity: neither JSON nor a decision has a use for those."""
    return all(math.isfinite(number) for number in numbers)


def largest_group(essays: Sequence[Essay], judged: Sequence[Asked]) -> tuple[Essay, ...]:
    """Of the groups of essays that comparisons link, the largest with a student's; empty where there is none.

    An essay that nothing links to another is not a group.
    """
    comparisons, _ = _comparisons(essays, judged, ())
    group = [int(number) for number in comparisons.components()]
    sizes = Counter(group)
    with_a_student = [
        number
        for number, essay in zip(group, essays, strict=True)
        if not essay.is_anchor and sizes[number] > 1
    ]
    largest = max(with_a_student, key=lambda number: sizes[number], default=None)
    return tuple(essay for essay, number in zip(essays, group, strict=True) if number == largest)


def among(essays: Sequence[Essay], asked: Sequence[Asked]) -> tuple[Asked, ...]:
    """The comparisons of these essays with each other."""
    items = {essay.item for essay in essays}
    return tuple(pair for pair in asked if pair.slot_a in items and pair.slot_b in items)


def min_comparisons(essays: Sequence[Essay], judged: Sequence[Asked]) -> int:
    """Comparisons of the essay that has fewest."""
    times = Counter(item for pair in judged for item in (pair.slot_a, pair.slot_b))
    return min((times[essay.item] for essay in essays), default=0)


def judge_name(judges: Sequence[Judge], assigned: int) -> str:
    """The name in results and statistics of the judge at that index of the panel."""
    return judges[assigned].name if 0 <= assigned < len(judges) else f"judge {assigned}"


def _stated(values: Iterable[float | None]) -> list[float]:
    """What the judges stated; NaN where a judge stated nothing."""
    return [math.nan if value is None else float(value) for value in values]


def _comparisons(
    essays: Sequence[Essay], judged: Sequence[Asked], judges: Sequence[Judge]
) -> tuple[measurement.Comparisons, tuple[str, ...]]:
    """The comparisons among these essays as arrays, and the judges who were asked by their number in them."""
    place = {essay.item: index for index, essay in enumerate(essays)}
    inside = among(essays, judged)
    panel = sorted({pair.assigned for pair in inside})
    number = {assigned: index for index, assigned in enumerate(panel)}
    comparisons = measurement.Comparisons.of(
        len(essays),
        [place[pair.slot_a] for pair in inside],
        [place[pair.slot_b] for pair in inside],
        [bool(pair.a_won) for pair in inside],
        [number[pair.assigned] for pair in inside],
        margin=_stated(pair.margin for pair in inside),
        confidence=_stated(pair.confidence for pair in inside),
        log_odds=_stated(pair.log_odds_a for pair in inside),
    )
    return comparisons, tuple(judge_name(judges, assigned) for assigned in panel)
