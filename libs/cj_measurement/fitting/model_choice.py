"""What each judge's levels tell, tested: a model that uses them is taken only where the answers say so.

Levels that are used on trust do harm: a judge that says "sure" at random then looks reliable. So a judge stays with
its winners unless the answers are far more probable under a graded model (documentation/decisions/0045).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cj_measurement.comparisons import Comparisons, FloatArray
from cj_measurement.errors import InvalidArgument, NotConverged
from cj_measurement.fitting.answer_scales import AnswerScale, VerdictModel, scale_of
from cj_measurement.fitting.evidence_search import Scaled, ScaleSearch, settled
from cj_measurement.fitting.moments import Moments
from cj_measurement.fitting.result import Fit, LevelEvidence
from cj_measurement.fitting.shared_noise import SHARED, SharedNoise, shared_noise
from cj_measurement.levels import LevelSource

LEAD = 3.0
"""Minimum log Bayes factor (nats) of a graded model over the winners alone."""
FIRST_TEST = 4.0
"""Comparisons per item from which the cumulative model is tested."""
SECOND_TEST = 8.0
"""Comparisons per item from which the two-part model is tested too."""
PRECISION = 0.02
"""Of a lead, in nats."""

Models = Mapping[int, VerdictModel]
"""By judge: the model to take, untested."""


def graded(winner: Fit, *, models: Models | None = None, start: Fit | None = None) -> Fit:
    """The fit with what the levels tell, from the fit to the winners alone; that one where they tell nothing.

    ``models`` are taken without a test, for the judges named. Raises ``InvalidArgument`` and ``NotConverged``.
    """
    choice = _Choice(winner, models or {}, {scale.judge: scale for scale in start.scales} if start else {})
    return choice.made()


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A graded model of one judge, and by how much it leads its winners alone."""

    scaled: Scaled
    search: ScaleSearch
    lead: float

    @property
    def gamma(self) -> float:
        """Of the judge's own scale, which is the last."""
        return self.scaled.scales[-1].gamma


class _Choice:
    """Judges are looked at one after the other, those with the most answers first, each given those before it."""

    def __init__(self, winner: Fit, models: Models, earlier: Mapping[int, AnswerScale]) -> None:
        self.winner, self.models, self.earlier = winner, models, earlier
        self.data, self.posterior = winner.comparisons, winner.posterior
        self.weight = self.posterior.weight
        self.per_item = 2 * float(self.weight.sum()) / self.data.n_items
        self.chosen: _Candidate | None = None
        self.evidence: dict[int, LevelEvidence] = {}

    def made(self) -> Fit:
        scales = stated_scales(self.data)
        unknown = set(self.models) - set(range(self.data.n_judges))
        if unknown:
            raise InvalidArgument(f"there is no judge {min(unknown)}: judges are numbered from 0")
        for judge, scale in sorted(scales.items(), key=lambda each: -_answers(each[1])):
            self._look_at(judge, scale)
        if self.chosen is None:
            return replace(self.winner, levels=self._reports(None, {}))
        return self._finished(self.chosen)

    def _look_at(self, judge: int, scale: AnswerScale | None) -> None:
        source = self._source(judge)
        if scale is None:
            self.evidence[judge] = LevelEvidence(judge=judge, source=source, levels=1)
            return
        report = LevelEvidence(judge=judge, source=source, levels=scale.levels, answers=_answers(scale))
        wanted = self._wanted(judge)
        best = max(self._candidates(wanted, scale), key=lambda candidate: candidate.lead, default=None)
        self.evidence[judge] = replace(
            report,
            lead=None if best is None else best.lead,
            is_testable=best is not None or not wanted,
        )
        if best is not None and (judge in self.models or best.lead >= LEAD):
            self.chosen = best

    def _source(self, judge: int) -> LevelSource:
        source = None if self.data.levels is None else self.data.levels.source[judge]
        return LevelSource.MARGIN if source is None else source

    def _wanted(self, judge: int) -> list[VerdictModel]:
        """The graded models that are tried."""
        if judge in self.models:
            return [model for model in (self.models[judge],) if model is not VerdictModel.WINNER]
        wanted = [VerdictModel.CUMULATIVE] if self.per_item >= FIRST_TEST else []
        return wanted + ([VerdictModel.TWO_PART] if self.per_item >= SECOND_TEST else [])

    def _candidates(self, wanted: Sequence[VerdictModel], scale: AnswerScale) -> list[_Candidate]:
        """Those of the models for which a best scale is found; one that was asked for must have one."""
        candidates: list[_Candidate] = []
        for model in wanted:
            try:
                candidates.append(self._candidate(model, scale, candidates[-1] if candidates else None))
            except NotConverged:
                if scale.judge in self.models:
                    raise
        # Levels that fall as the winner gets further ahead are chance, or a scale read upside down.
        return [each for each in candidates if scale.judge in self.models or each.gamma > 0]

    def _candidate(self, model: VerdictModel, scale: AnswerScale, near: _Candidate | None) -> _Candidate:
        mode = self.winner.mode if self.chosen is None else self.chosen.scaled.mode
        others = () if self.chosen is None else self.chosen.scaled.scales
        moments = Moments.of(mode) if near is None else near.scaled.moments
        if near is not None:
            mode = near.scaled.mode
        search = ScaleSearch(
            self.posterior,
            (*others, self._first_guess(model, scale, moments)),
            tau=mode.tau,
            tau_fixed=not self.winner.tau_estimated,
            start=mode.parameters,
            moving=[len(others)],
        )
        search.climb(PRECISION)
        scaled = search.reached()
        before = self.winner.log_evidence if self.chosen is None else self.chosen.scaled.log_evidence
        lead = scaled.log_evidence - before - scale.log_shares(self.weight)
        return _Candidate(scaled, search, lead)

    def _first_guess(self, model: VerdictModel, scale: AnswerScale, moments: Moments) -> AnswerScale:
        earlier = self.earlier.get(scale.judge)
        if earlier is not None and earlier.model is model and earlier.merged == scale.merged:
            return replace(scale, model=model, cuts=earlier.cuts, gamma=earlier.gamma)
        square = moments.ahead**2 + moments.variance
        guess = scale.first_guess(model, moments.ahead, square, self.weight)
        return settled(guess, moments, self.weight) if model is VerdictModel.TWO_PART else guess

    def _finished(self, best: _Candidate) -> Fit:
        """All judges' scales together, to the full precision, and each pair's second answer for what it is worth."""
        chosen, search = best.scaled, best.search
        if len(chosen.scales) > 1:
            search = self._together(chosen)
        search.climb()
        chosen = search.result()
        shared = self._shared(chosen)
        weight = self.weight
        for noise in shared.values():
            if noise.rho > SHARED:
                weight = noise.halved(weight)
        if weight is not self.weight:
            self.posterior = self.posterior.reweighted(weight)
            search = self._together(chosen)
            search.climb()
            chosen = search.result()
        found = Fit.of(chosen.mode.posterior, chosen.mode, tau_estimated=self.winner.tau_estimated)
        return replace(found, scales=chosen.scales, levels=self._reports(chosen, shared))

    def _together(self, chosen: Scaled) -> ScaleSearch:
        return ScaleSearch(
            self.posterior,
            chosen.scales,
            tau=chosen.mode.tau,
            tau_fixed=not self.winner.tau_estimated,
            start=chosen.mode.parameters,
        )

    def _shared(self, chosen: Scaled) -> dict[int, SharedNoise]:
        surprise = chosen.mode.point.surprise
        found = {
            scale.judge: shared_noise(self.data, scale, chosen.moments, surprise) for scale in chosen.scales
        }
        return {judge: noise for judge, noise in found.items() if noise is not None}

    def _reports(self, chosen: Scaled | None, shared: Mapping[int, SharedNoise]) -> tuple[LevelEvidence, ...]:
        for scale in () if chosen is None else chosen.scales:
            noise = shared.get(scale.judge)
            self.evidence[scale.judge] = replace(
                self.evidence[scale.judge],
                model=scale.model,
                cuts=tuple(scale.cuts.tolist()),
                gamma=scale.gamma,
                tells=_tells(scale, chosen.moments.ahead) if chosen is not None else None,
                shared_noise=None if noise is None else noise.rho,
            )
        return tuple(self.evidence[judge] for judge in sorted(self.evidence))


def stated_scales(data: Comparisons) -> dict[int, AnswerScale | None]:
    """By judge that states levels: which answers, and which level each; None where they are all alike."""
    if data.levels is None:
        return {}
    level, scales = data.levels.level, {}
    for judge in np.unique(data.judge[level > 0]).tolist():
        places = np.flatnonzero((data.judge == judge) & (level > 0))
        scales[judge] = scale_of(judge, places, level[places], data.weight[places])
    return scales


def _answers(scale: AnswerScale | None) -> int:
    return 0 if scale is None else len(scale.answers)


def _tells(scale: AnswerScale, ahead: FloatArray) -> float:
    """How much more an answer tells than its winner alone, on the pairs that were judged."""
    x = ahead[scale.answers]
    chance = 1 / (1 + np.exp(-np.abs(x)))
    return float(np.sum(scale.information(x)) / np.sum(chance * (1 - chance)))
