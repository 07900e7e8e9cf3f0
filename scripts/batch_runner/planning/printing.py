"""cj-run plan: what would be judged, how often and at what price."""

from collections.abc import Iterator, Sequence
from typing import Final

from event_contracts import PanelJudge
from model_manifest import Model, ResolvedModel, get_model
from rich.console import Console

from batch_runner.assignment.contents import Assignment
from batch_runner.planning.judges import resolve_judge
from batch_runner.planning.pair_cost import (
    ANSWER_SECONDS,
    PairCost,
    PromptSize,
    answer_seconds,
    mean_cost,
    pair_cost,
)
from batch_runner.reading.anonymity import names_in_texts

SEEDS: Final = 5
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


def print_forecast(
    assignment: Assignment,
    *,
    provider: str | None,
    model: str | None,
    panel: Sequence[PanelJudge] = (),
    target_reliability: float,
    sd: float | None,
    console: Console,
) -> None:
    """Print how many comparisons the target takes, their cost and time, for a sharp and for a human-like judge.

    Each with margins and by winners alone; few large rounds also fit into the batch jobs of a vendor that has them.
    """
    # Imported here: numpy and scipy take a second, and the commands that talk to a service do not need them.
    from cj_measurement import Design, Says, SimulatedJudge

    from batch_runner.analysing.analysis import measuring
    from batch_runner.planning.forecast import HUMAN_LIKE, SHARP, Pace, effort, effort_line, pace_line

    size = PromptSize.of(assignment)
    models = _models(provider, model, panel)
    price = mean_cost([(pair_cost(model, size), share) for model, share in models]) if models else None
    in_batch = _batch_price(size, models)
    pace = Pace(answer_seconds=max((answer_seconds(model) for model, _ in models), default=ANSWER_SECONDS))
    judges = {"a sharp judge": SHARP, "a human-like judge": HUMAN_LIKE} if sd is None else {"this judge": sd}
    console.out(f"until reliability {target_reliability:g} is reached:", highlight=False)
    for name, sharpness in judges.items():
        for says, what in ((Says.MARGIN, f"{name}, with margins"), (Says.NOTHING, name)):
            with measuring(), console.status("simulating …"):
                needed = effort(
                    Design(essays=len(assignment.texts)),
                    SimulatedJudge(sd=sharpness, says=says),
                    target_reliability=target_reliability,
                    price=price,
                    seeds=SEEDS,
                )
            is_graded = says is Says.MARGIN
            time = pace_line(needed, pace, is_graded=is_graded, batch=in_batch)
            console.out(f"  {what} (SD {sharpness:g}): {effort_line(needed)}{time}", highlight=False)


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


def _names(assignment: Assignment, roster: Sequence[str]) -> Iterator[str]:
    found = names_in_texts(
        {essay.essay_id: essay.text for essay in assignment.essays},
        file_names={essay.essay_id: essay.student for essay in assignment.essays},
        authors={essay.essay_id: essay.authors for essay in assignment.essays},
        roster=roster,
    )
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


def _models(
    provider: str | None, model: str | None, panel: Sequence[PanelJudge]
) -> Sequence[tuple[Model, float]]:
    """The models that judge with their shares; none where no judge was named."""
    if panel:
        return [(get_model(each.provider, each.model), each.share) for each in panel]
    if provider is None and model is None:
        return []
    resolved = resolve_judge(provider, model)
    return [(get_model(resolved.provider, resolved.model), 1.0)]


def _batch_price(size: PromptSize, models: Sequence[tuple[Model, float]]) -> PairCost | None:
    if not models or not all(model.batch_api for model, _ in models):
        return None
    return mean_cost([(pair_cost(model, size, batch=True), share) for model, share in models])
