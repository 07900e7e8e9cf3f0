"""cj-run plan: what would be judged, how often and at what price."""

from collections.abc import Iterator, Sequence
from typing import Final

from event_contracts import PanelJudge
from model_manifest import ResolvedModel
from rich.console import Console

from batch_runner.assignment.contents import Assignment
from batch_runner.assignment.loading import FolderProblems
from batch_runner.planning.judges import resolve_judge
from batch_runner.reading.anonymity import NameInText, names_in_texts
from batch_runner.reading.pictures import counted

NAMES_SHOWN: Final = 40


def print_contents(
    assignment: Assignment,
    *,
    provider: str | None,
    model: str | None,
    panel: Sequence[PanelJudge] = (),
    roster: Sequence[str] = (),
    console: Console,
) -> None:
    """Say what a folder holds, which names appear in its essays, and who would judge.

    Names of the ``roster`` are sought too. Raises ``InvalidLlmConfig`` for a judge that there is not.
    """
    console.out(assignment.title, style="bold", highlight=False)
    for line in (
        *_contents(assignment),
        *_names(assignment, roster),
        *_judge(provider, model),
        *_panel(panel),
    ):
        console.out(line, highlight=False)


def print_names(assignment: Assignment, *, roster: Sequence[str] = (), console: Console) -> None:
    """Say which names appear in the essays: before anything is sent, so that a person can stop it."""
    for line in _names(assignment, roster):
        console.out(line, highlight=False)


def print_problems(found: FolderProblems, *, errors: Console) -> None:
    """Every problem of a folder, one per line, after what can be read of it."""
    for problem in found.problems:
        errors.out(problem.code, style="red", end=" ")
        errors.out(problem.message, highlight=False)
    counts = f"{counted(len(found.problems), 'problem')}; {counted(len(found.readable), 'text')} can be read"
    errors.out(counts, highlight=False)


def _contents(assignment: Assignment) -> Iterator[str]:
    texts = len(assignment.texts)
    yield f"{assignment.course_code}, {assignment.language}"
    yield f"{len(assignment.essays)} essays, {len(assignment.anchors)} anchors"
    if assignment.left_out:
        yield f"left out: {', '.join(assignment.left_out)}"
    yield from assignment.notes
    yield f"{assignment.words} words, {assignment.words // texts} per text"
    yield f"grades: {assignment.grade_scale if assignment.anchors else 'none (no anchors)'}"
    yield f"all pairs would be {texts * (texts - 1) // 2} comparisons"


def names_of(assignment: Assignment, roster: Sequence[str]) -> tuple[NameInText, ...]:
    """The names that appear in the essays of an assignment."""
    return names_in_texts(
        {essay.essay_id: essay.text for essay in assignment.essays},
        file_names={essay.essay_id: essay.student for essay in assignment.essays},
        authors={essay.essay_id: essay.authors for essay in assignment.essays},
        roster=roster,
    )


def _names(assignment: Assignment, roster: Sequence[str]) -> Iterator[str]:
    found = names_of(assignment, roster)
    if found:
        yield f"names that appear in the essays and would be sent to the judge: {len(found)}"
    for name in found[:NAMES_SHOWN]:
        yield f"  {name}"
    if len(found) > NAMES_SHOWN:
        yield f"  and {len(found) - NAMES_SHOWN} more"


def _judge(provider: str | None, model: str | None) -> Iterator[str]:
    if provider is None and model is None:
        return
    resolved = resolve_judge(provider, model)
    yield f"judge: {resolved.provider}/{resolved.model}"
    yield from _kept(resolved)
    yield from resolved.warnings


def _panel(panel: Sequence[PanelJudge]) -> Iterator[str]:
    for judge in panel:
        yield f"judge: {judge.provider}/{judge.model}, {judge.share:.0%} of the comparisons"
        resolved = resolve_judge(judge.provider, judge.model)
        yield from _kept(resolved)
        yield from resolved.warnings


def _kept(resolved: ResolvedModel) -> Iterator[str]:
    if resolved.retention is not None:
        yield f"{resolved.provider} keeps what it is sent: {resolved.retention}"
