"""What is known of a batch at one moment, each part computed once: decisions and results read it.

From the comparisons come the essays that take part, from those the fit, from the fit the grades; fit and grades open
or close the gates, and where the gates let judging continue there is a plan for the next round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cj_measurement as measurement
from event_contracts import ForecastView, GateStatus, GateView, GradeScale, PositionEffect

from cj_assessment.domain.batch import Essay
from cj_assessment.domain.comparison import Asked, PlannedComparison
from cj_assessment.domain.deciding.budget import (
    affordable_comparisons,
    budget_of,
    counted_comparisons,
    is_budget_exhausted,
    next_cost_usd,
    typical_cost_usd,
)
from cj_assessment.domain.deciding.participation import Participation, no_student_judged_yet, participation
from cj_assessment.domain.deciding.snapshot import Snapshot
from cj_assessment.domain.measuring import Fitted, Grading, NoFit, NoFitReason, fit_comparisons, grade_essays
from cj_assessment.domain.measuring.fitting import (
    among,
    largest_group,
    min_comparisons,
)
from cj_assessment.domain.measuring.pairing import (
    MAX_RELAXED_ROUNDS,
    forecast,
    graded_round_size,
    pairing_state,
    relaxed_round_size,
    round_seed,
    with_judges,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A fit as it is kept: abilities and errors in logits by ranked essay, each gate, and a forecast.

    There is no forecast on a batch that has ended; ``forecast_error`` says why there is none where one was wanted.
    """

    comparisons: int
    theta: tuple[float, ...]
    standard_error: tuple[float, ...]
    tau: float
    eb_reliability: float
    ssr: float | None
    ssr_prime: float | None
    position_bias: Mapping[str, PositionEffect]
    gates: Mapping[str, GateView]
    forecast: ForecastView | None = None
    forecast_error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Essays on one scale, in the order of ``fitted``, and the judged comparisons that put them there."""

    essays: tuple[Essay, ...]
    judged: tuple[Asked, ...]
    fitted: Fitted
    scale: GradeScale | None
    seed: int

    @cached_property
    def grading(self) -> Grading:
        """Grades through the anchors among the essays, or why there are none."""
        return grade_essays(self.essays, fitted=self.fitted, scale=self.scale, seed=self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The next round, and what further judging would bring where there is a fit to tell it from.

    ``forecast_error`` says why there is no forecast where one was wanted.
    """

    pairs: tuple[PlannedComparison, ...]
    forecast: ForecastView | None
    forecast_error: str | None = None


@dataclass(frozen=True, slots=True)
class NoPlan:
    """There is no next round: judging should end. ``error`` says why a round that was wanted could not be planned."""

    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known at one moment. A part is computed when it is first read, and kept.

    ``earlier`` is the evidence of fewer rounds of the same batch: where those rounds brought no further judgement,
    its ranking is this one's.
    """

    snapshot: Snapshot
    earlier: "Evidence | None" = None

    @cached_property
    def participation(self) -> Participation:
        """Which essays take part, and which are excluded and why."""
        return participation(self.snapshot)

    @cached_property
    def ranking(self) -> Ranking | NoFit:
        """All essays that take part on one scale, or why there is no such scale."""
        earlier = self.earlier
        if (
            earlier is not None
            and earlier.snapshot.judged == self.snapshot.judged
            and earlier.participation.essays == self.participation.essays
        ):
            return earlier.ranking
        return self._ranking_of(self.participation.essays, self.snapshot.judged)

    @cached_property
    def final_ranking(self) -> Ranking | NoFit:
        """The ranking to publish: where comparisons link only some of the essays, the largest group's."""
        if not isinstance(self.ranking, NoFit) or self.ranking.reason is not NoFitReason.DISCONNECTED:
            return self.ranking
        linked = largest_group(self.participation.essays, self.snapshot.judged)
        if not linked:
            return NoFit(
                reason=NoFitReason.DISCONNECTED, message="no student's essay was compared with another"
            )
        return self._ranking_of(linked, among(linked, self.snapshot.judged))

    def _ranking_of(self, essays: tuple[Essay, ...], judged: tuple[Asked, ...]) -> Ranking | NoFit:
        snapshot = self.snapshot
        fitted = fit_comparisons(essays, judged, judges=snapshot.judges, start=snapshot.start)
        if isinstance(fitted, NoFit):
            return fitted
        return Ranking(essays=essays, judged=judged, fitted=fitted, scale=snapshot.scale, seed=snapshot.seed)

    @cached_property
    def verdict(self) -> measurement.StopVerdict:
        """Whether the target or a limit is reached, and how each gate stands."""
        snapshot, limits, rules = self.snapshot, self.snapshot.limits, self.snapshot.rules
        fitted = None if isinstance(self.ranking, NoFit) else self.ranking.fitted
        return measurement.evaluate_stop(
            measurement.StopInputs(
                eb_reliability=None if fitted is None else fitted.fit.eb_reliability,
                target_reliability=limits.target_reliability,
                min_comparisons=min_comparisons(self.participation.essays, snapshot.judged)
                if snapshot.judged
                else None,
                min_comparisons_per_item=rules.min_comparisons_per_essay,
                is_connected=fitted is not None,
                position_bias=None if fitted is None else fitted.largest_position_bias,
                max_position_bias=rules.max_position_bias,
                comparisons=counted_comparisons(snapshot),
                max_comparisons=budget_of(snapshot),
                cost=snapshot.spending.committed_usd,
                next_cost=next_cost_usd(snapshot),
                max_cost=limits.max_cost_usd,
                now=snapshot.now,
                deadline=limits.deadline,
                grade_change_share=self._grade_change_share,
                max_grade_change_share=rules.max_grade_change_share,
                is_graded=fitted is not None and fitted.fit.is_graded,
            )
        )

    @property
    def _grade_change_share(self) -> float | None:
        """Only considered once the reliability is reached: before that it decides nothing."""
        if isinstance(self.ranking, NoFit):
            return None
        if self.ranking.fitted.fit.eb_reliability < self.snapshot.limits.target_reliability:
            return None
        return self.ranking.grading.change_share

    @cached_property
    def plan(self) -> Plan | NoPlan:
        """The next round; none where it is time to stop, or where nothing is left to ask or to pay with."""
        if isinstance(self.ranking, NoFit) and not self.ranking.reason.more_comparisons_help:
            return NoPlan()
        if self.verdict.stop or is_budget_exhausted(self.snapshot) or len(self.participation.essays) < 2:
            return NoPlan()
        if self.snapshot.is_relaxed and self.snapshot.last_round >= MAX_RELAXED_ROUNDS:
            return NoPlan()
        try:
            return self._plan()
        except measurement.NUMERICAL_ERRORS as error:
            return NoPlan(f"the next comparisons could not be planned: {error}")

    def _plan(self) -> Plan | NoPlan:
        snapshot, essays = self.snapshot, self.participation.essays
        fitted = None if isinstance(self.ranking, NoFit) else self.ranking.fitted
        state = pairing_state(essays, snapshot.asked, fitted)
        pairs = measurement.plan_many(
            state,
            count=min(self._wanted(state), affordable_comparisons(snapshot)),
            seed=round_seed(snapshot.seed, snapshot.last_round + 1),
        )
        pairs = self._drop_anchor_pairs(pairs)
        if not pairs:
            return NoPlan()
        chosen = with_judges(pairs, essays, snapshot.asked, judges=snapshot.judges)
        if fitted is None:
            return Plan(pairs=chosen, forecast=None)
        try:
            seen = forecast(
                state,
                pairs,
                target_reliability=snapshot.limits.target_reliability,
                cost_usd=typical_cost_usd(snapshot),
            )
        except measurement.NUMERICAL_ERRORS as error:
            return Plan(pairs=chosen, forecast=None, forecast_error=str(error))
        return Plan(pairs=chosen, forecast=seen)

    def _wanted(self, state: measurement.PairingState) -> int:
        """Comparisons of the next round: few large rounds for judges that state margins, else one per essay."""
        snapshot, essays = self.snapshot, self.participation.essays
        if snapshot.is_relaxed:
            return relaxed_round_size(
                state,
                asked=snapshot.unfailed,
                target_reliability=snapshot.limits.target_reliability,
                least=self.participation.round_size,
                is_last=snapshot.last_round + 1 >= MAX_RELAXED_ROUNDS,
            )
        if snapshot.last_round == 0:
            return len(essays)
        if not snapshot.is_graded:
            return self.participation.round_size
        return graded_round_size(
            state,
            asked=snapshot.unfailed,
            target_reliability=snapshot.limits.target_reliability,
            least=self.participation.round_size,
        )

    def _drop_anchor_pairs(self, pairs: Sequence[measurement.Pair]) -> tuple[measurement.Pair, ...]:
        """While it is not known whether any student's essay can be judged, no pair of two anchors."""
        if not no_student_judged_yet(self.snapshot):
            return tuple(pairs)
        essays = self.participation.essays
        serving = [
            pair for pair in pairs if not (essays[pair.slot_a].is_anchor and essays[pair.slot_b].is_anchor)
        ]
        return tuple(serving or pairs)

    def measured(self, ranking: Ranking) -> Measured:
        """A ranking as it is kept, with the gates of this moment and without a forecast."""
        fit, classical = ranking.fitted.fit, ranking.fitted.classical
        return Measured(
            comparisons=len(ranking.judged),
            theta=tuple(float(ability) for ability in fit.theta),
            standard_error=tuple(float(error) for error in fit.standard_errors),
            tau=fit.tau,
            eb_reliability=fit.eb_reliability,
            ssr=classical.ssr if classical else None,
            ssr_prime=classical.ssr_prime if classical else None,
            position_bias=ranking.fitted.position_bias,
            gates={gate.name: _gate(gate) for gate in self.verdict.gates},
        )

    @property
    def measured_with_forecast(self) -> Measured | None:
        """The ranking that the plan was made from, as it is kept; None where there is none."""
        if isinstance(self.ranking, NoFit):
            return None
        measured, plan = self.measured(self.ranking), self.plan
        if isinstance(plan, NoPlan):
            return measured
        return replace(measured, forecast=plan.forecast, forecast_error=plan.forecast_error)


def _gate(gate: measurement.Gate) -> GateView:
    return GateView(status=GateStatus(gate.status), value=gate.value, limit=gate.limit)
