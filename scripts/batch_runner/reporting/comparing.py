"""Two runs of the same essays side by side: how far their rankings and grades agree, and what each cost."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from cj_measurement.correlations import spearman
from event_contracts import GRADE_SCALES, InvalidRequest

from batch_runner.artefact.assessment_run import AssessmentRun
from batch_runner.artefact.outcome import Score
from batch_runner.money import dollars

MIN_COMMON_ESSAYS: Final = 4
Z_95: Final = 1.959963984540054
SPEARMAN_VARIANCE: Final = 1.06
"""Of Fisher's z of a rank correlation, by n − 3 (Fieller, Hartley & Pearson 1957)."""


@dataclass(frozen=True, slots=True)
class Change:
    """An essay whose grade differs, with its rank in either run."""

    essay_id: str
    first_grade: str
    second_grade: str
    first_rank: int
    second_rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The second run compared with the first. ``low`` and ``high`` hold the rank correlation 19 times in 20."""

    essays: int
    only_first: int
    only_second: int
    correlation: float
    low: float
    high: float
    graded: int
    agreement: float | None
    kappa: float | None
    costs: tuple[float, float]
    changes: tuple[Change, ...]

    def lines(self) -> list[str]:
        """In words, one fact per line."""
        missing = f" ({self.only_first} only in the first, {self.only_second} only in the second)"
        lines = [
            f"{self.essays} essays in both{missing if self.only_first or self.only_second else ''}",
            f"rank correlation {self.correlation:.3f}, 95 % interval {self.low:.3f} to {self.high:.3f}",
            f"cost {dollars(self.costs[0])} and {dollars(self.costs[1])}",
        ]
        if self.agreement is not None:
            kappa = "not measurable" if self.kappa is None else f"{self.kappa:.3f}"
            lines.append(
                f"the same grade for {self.agreement:.0%} of {self.graded} essays, quadratic weighted kappa {kappa}"
            )
        lines.append(f"{len(self.changes)} grades differ" if self.changes else "no grade differs")
        return lines


def compare_runs(first: AssessmentRun, second: AssessmentRun) -> Comparison:
    """Compare on the essays that both ranked, anchors aside; raises ``InvalidRequest`` for fewer than four."""
    one, two = _students(first), _students(second)
    common = [name for name in one if name in two]
    if len(common) < MIN_COMMON_ESSAYS:
        raise InvalidRequest(
            f"{len(common)} essays are in both runs: there must be {MIN_COMMON_ESSAYS}; compare runs of the same"
        )
    correlation = spearman(
        np.array([one[name].theta for name in common]), np.array([two[name].theta for name in common])
    )
    low, high = _interval(correlation, len(common))
    pairs = _grades(first, second, common)
    return Comparison(
        essays=len(common),
        only_first=len(one) - len(common),
        only_second=len(two) - len(common),
        correlation=correlation,
        low=low,
        high=high,
        graded=len(pairs),
        agreement=sum(a == b for _, a, b in pairs) / len(pairs) if pairs else None,
        kappa=_kappa(first, pairs),
        costs=(float(first.costs.total_usd), float(second.costs.total_usd)),
        changes=tuple(Change(name, a, b, one[name].rank, two[name].rank) for name, a, b in pairs if a != b),
    )


def _students(run: AssessmentRun) -> dict[str, Score]:
    ranked = sorted(run.bt_summary, key=lambda score: score.rank)
    return {score.essay_id: score for score in ranked if not score.is_anchor}


def _interval(correlation: float, essays: int) -> tuple[float, float]:
    """By Fisher's z; the whole range where the correlation is not measurable."""
    if not math.isfinite(correlation):
        return -1.0, 1.0
    if abs(correlation) > 1 - 1e-12:
        return correlation, correlation
    half = Z_95 * math.sqrt(SPEARMAN_VARIANCE / (essays - 3))
    z = math.atanh(correlation)
    return math.tanh(z - half), math.tanh(z + half)


def _grades(first: AssessmentRun, second: AssessmentRun, common: list[str]) -> list[tuple[str, str, str]]:
    if first.metadata.grade_scale != second.metadata.grade_scale:
        return []
    one = {each.essay_id: each.grade for each in first.grade_projections}
    two = {each.essay_id: each.grade for each in second.grade_projections}
    return [(name, a, b) for name in common if (a := one.get(name)) and (b := two.get(name))]


def _kappa(run: AssessmentRun, pairs: list[tuple[str, str, str]]) -> float | None:
    """Quadratic weighted (Cohen 1968): 1 − observed over expected squared distance; None where grades never vary."""
    scale = GRADE_SCALES.get(run.metadata.grade_scale or "")
    if scale is None or not pairs:
        return None
    names = scale.grades if scale.below_lowest is None else (scale.below_lowest, *scale.grades)
    a = np.array([names.index(one) for _, one, _ in pairs])
    b = np.array([names.index(two) for _, _, two in pairs])
    expected = ((a[:, None] - b[None, :]) ** 2).mean()
    return None if expected == 0 else float(1 - ((a - b) ** 2).mean() / expected)
