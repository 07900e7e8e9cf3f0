"""cj-run qualify: whether one judge may replace another, with reasons, from pairs that both judged."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, Self

import numpy as np
from cj_measurement import (
    Comparisons,
    CriterionStatus,
    MeasurementError,
    Qualification,
    QualificationSettings,
    Verdict,
    fit,
    qualify,
)
from event_contracts import InvalidRequest
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.text import Text

from batch_runner.analysing.analysis import measuring
from batch_runner.decisions.from_file import Decisions, read_decisions

VERDICTS: Final = {
    Verdict.QUALIFIED: "may replace",
    Verdict.NOT_QUALIFIED: "may not replace",
    Verdict.UNDECIDED: "cannot yet be said to be able to replace",
}
MARKS: Final = {
    CriterionStatus.PASSED: ("passed       ", "green"),
    CriterionStatus.FAILED: ("failed       ", "red"),
    CriterionStatus.UNDECIDED: ("undecided    ", "yellow"),
    CriterionStatus.NOT_EVALUATED: ("not evaluated", "dim"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QualificationOptions:
    """The judges that are compared; costs are US dollars per comparison."""

    reference: str
    candidate: str
    reference_cost: Decimal | None = None
    candidate_cost: Decimal | None = None
    max_cost_ratio: float | None = None
    columns: tuple[str, ...] = ()
    coding: tuple[str, ...] = ()
    as_json: bool = False


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class CriterionView(_View):
    """One criterion: its value and 90 % interval, the limit they are compared with, and the outcome."""

    name: str
    status: CriterionStatus
    reason: str
    value: float | None
    low: float | None
    high: float | None
    limit: float | None


class GradedView(_View):
    """One judge's own comparisons read twice: by winners alone, and with what it says of how far ahead they are.

    ``words`` is the outcome of the evidence test, ``lead_nats`` its lead. Reliabilities are EB; null without a scale.
    """

    judge: str
    comparisons: int
    eb_winners: float | None
    eb_graded: float | None
    lead_nats: float | None
    words: str


class QualificationView(_View):
    """The verdict as ``--json`` prints it; agreement and kappa are those of the pairs that both judged."""

    reference: str
    candidate: str
    verdict: Verdict
    pairs: int
    agreement: float
    kappa: float | None
    criteria: tuple[CriterionView, ...]
    graded: tuple[GradedView, ...] = ()

    @classmethod
    def of(cls, found: Qualification, options: QualificationOptions, graded: tuple[GradedView, ...]) -> Self:
        """The verdict with the judges' names."""
        return cls(
            reference=options.reference,
            candidate=options.candidate,
            verdict=found.verdict,
            pairs=found.agreement.pairs,
            agreement=found.agreement.agreement,
            kappa=found.agreement.kappa,
            criteria=tuple(CriterionView.model_validate(criterion) for criterion in found.criteria),
            graded=graded,
        )


def qualify_judge(path: Path, options: QualificationOptions, *, console: Console) -> None:
    """Compare the candidate with the reference; raises ``InvalidRequest`` where the file does not allow it."""
    decisions = read_decisions(path, columns=options.columns, coding=options.coding)
    if not decisions.slots_known:
        raise InvalidRequest(
            f"{path.name} does not say which item was shown first, so no position effect is known: take a file that"
            " does, such as a run's comparisons.csv"
        )
    with measuring():
        found = qualify(
            decisions.comparisons,
            reference=_place(decisions, options.reference),
            candidate=_place(decisions, options.candidate),
            reference_cost=options.reference_cost,
            candidate_cost=options.candidate_cost,
            settings=QualificationSettings(max_cost_ratio=options.max_cost_ratio),
        )
        graded = tuple(_graded(decisions, judge) for judge in (options.reference, options.candidate))
    view = QualificationView.of(found, options, tuple(one for one in graded if one is not None))
    if options.as_json:
        print(view.model_dump_json(indent=2))
        return
    _print(view, console=console)


def _graded(decisions: Decisions, judge: str) -> GradedView | None:
    """A judge's comparisons by winners alone and with its margins, on the same pairs; None where it states none."""
    own = decisions.comparisons.where(decisions.comparisons.judge == _place(decisions, judge))
    if own.levels is None or not np.any(own.levels.level):
        return None
    with_levels, evidence = _reliability(own)
    return GradedView(
        judge=judge,
        comparisons=len(own),
        eb_winners=_reliability(own.winners_only())[0],
        eb_graded=with_levels,
        lead_nats=evidence[0],
        words=evidence[1],
    )


def _reliability(comparisons: Comparisons) -> tuple[float | None, tuple[float | None, str]]:
    try:
        fitted = fit(comparisons, allow_disconnected=True)
    except MeasurementError:
        return None, (None, "its pairs give no scale")
    said = next(((found.lead, found.words) for found in fitted.levels), (None, "it states none"))
    return fitted.eb_reliability, said


def _place(decisions: Decisions, judge: str) -> int:
    if judge not in decisions.judges:
        raise InvalidRequest(f"there is no judge {judge!r}: the file has {', '.join(decisions.judges)}")
    return decisions.judges.index(judge)


def _print(view: QualificationView, *, console: Console) -> None:
    console.out(f"{view.candidate} {VERDICTS[view.verdict]} {view.reference}", style="bold", highlight=False)
    for criterion in view.criteria:
        mark, style = MARKS[criterion.status]
        console.print(Text.assemble((mark, style), "  ", criterion.reason), highlight=False, soft_wrap=True)
    for graded in view.graded:
        by_winners, with_margins = (_said(value) for value in (graded.eb_winners, graded.eb_graded))
        console.out(
            f"{graded.judge}: reliability {by_winners} by winners alone, {with_margins} with its margins or confidence,"
            f" on the same {graded.comparisons} comparisons; {graded.words}",
            highlight=False,
        )


def _said(reliability: float | None) -> str:
    return "unknown" if reliability is None else f"{reliability:.3f}"
