"""cj-run qualify: whether one judge may replace another, with reasons, from pairs that both judged."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, Self

from cj_measurement import CriterionStatus, Qualification, QualificationSettings, Verdict, qualify
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


class QualificationView(_View):
    """The verdict as ``--json`` prints it; agreement and kappa are those of the pairs that both judged."""

    reference: str
    candidate: str
    verdict: Verdict
    pairs: int
    agreement: float
    kappa: float | None
    criteria: tuple[CriterionView, ...]

    @classmethod
    def of(cls, found: Qualification, options: QualificationOptions) -> Self:
        """The verdict with the judges' names."""
        return cls(
            reference=options.reference,
            candidate=options.candidate,
            verdict=found.verdict,
            pairs=found.agreement.pairs,
            agreement=found.agreement.agreement,
            kappa=found.agreement.kappa,
            criteria=tuple(CriterionView.model_validate(criterion) for criterion in found.criteria),
        )


def qualify_judge(path: Path, options: QualificationOptions, *, console: Console) -> None:
    """Hold the candidate against the reference; raises ``InvalidRequest`` where the file cannot tell."""
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
    view = QualificationView.of(found, options)
    if options.as_json:
        print(view.model_dump_json(indent=2))
        return
    _print(view, console=console)


def _place(decisions: Decisions, judge: str) -> int:
    if judge not in decisions.judges:
        raise InvalidRequest(f"there is no judge {judge!r}: the file has {', '.join(decisions.judges)}")
    return decisions.judges.index(judge)


def _print(view: QualificationView, *, console: Console) -> None:
    console.out(f"{view.candidate} {VERDICTS[view.verdict]} {view.reference}", style="bold", highlight=False)
    for criterion in view.criteria:
        mark, style = MARKS[criterion.status]
        console.print(Text.assemble((mark, style), "  ", criterion.reason), highlight=False, soft_wrap=True)
