"""Commands on anchors: register-anchors, and anchors check of a run or of an assignment's folder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from command_line.exit_codes import ExitCode, reporting_errors
from event_contracts import InvalidRequest

from batch_runner.artefact.outcome import Score
from batch_runner.artefact.verifying import read_artefact
from batch_runner.assignment.contents import Assignment, StudentEssay
from batch_runner.assignment.description import DESCRIPTION
from batch_runner.assignment.loading import load_anchors
from batch_runner.cli.app import (
    DEFAULT_OUT,
    DEFAULT_URL,
    MaxComparisons,
    MaxCost,
    Model,
    Out,
    Provider,
    Target,
    Url,
    app,
    console,
    exact,
    label_of,
)
from batch_runner.cli.executing import Changes, Execution, execute_run
from batch_runner.cli.run_async import run_async
from batch_runner.reporting.anchors_shown import show_alignment
from batch_runner.running.alignment import anchor_alignment
from batch_runner.running.execution import owner_of_anchors, register_anchors
from batch_runner.running.request import RunOptions
from batch_runner.running.run_folder import TransportName
from batch_runner.wire.connection import connected

anchors = typer.Typer(no_args_is_help=True, help="The anchors of an assignment or a run.")
app.add_typer(anchors, name="anchors")


@app.command("register-anchors")
def register(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="An assignment's folder; its essays need not be there.")
    ],
    url: Url = DEFAULT_URL,
) -> None:
    """Register the anchors of an assignment; registered again, nothing changes."""
    run_async(lambda: _register(folder, url))


async def _register(folder: Path, url: str) -> None:
    assignment = load_anchors(folder)
    async with connected(url) as client:
        await client.check_ready()
        await register_anchors(client, assignment)
        known = await client.anchors(owner_of_anchors(assignment))
    others = {each.anchor_label for each in known.anchors} - {each.label for each in assignment.anchors}
    said = f"registered {len(assignment.anchors)} anchors of {assignment.assignment_id} on {assignment.grade_scale}"
    console.out(f"{said}; it has {len(others)} others" if others else said, highlight=False)


@anchors.callback()
def about_anchors() -> None:
    """The anchors of an assignment or a run."""


@anchors.command("check")
def check(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN|DIR", help="A run; or an assignment's folder, to judge its anchors."),
    ],
    url: Url = DEFAULT_URL,
    out: Out = DEFAULT_OUT,
    transport: Annotated[TransportName, typer.Option(help="As for execute, for a folder.")] = "http",
    provider: Provider = None,
    model: Model = None,
    max_comparisons: MaxComparisons = None,
    max_cost_usd: MaxCost = None,
    target_reliability: Target = None,
) -> None:
    """Do the anchors' scores follow their grades? Kendall's tau, inversions, anchors that never won.

    Of an assignment's folder the anchors alone are judged, as essays of unknown grade: before there are
    students' essays it says whether they can carry grades. The exit code is 6 where something is found.
    """
    if not (run / DESCRIPTION).is_file():
        with reporting_errors():
            _check_run(run)
        return
    execution = Execution(
        url=url,
        llm_url=None,
        out=out,
        transport=transport,
        kafka=None,
        await_completion=True,
        completion_timeout=None,
        force_reupload=False,
    )

    async def work() -> None:
        assignment = load_anchors(run)
        options = RunOptions(
            label=label_of(None, assignment),
            provider=provider,
            model=model,
            max_comparisons=max_comparisons,
            max_cost_usd=exact(max_cost_usd),
            target_reliability=target_reliability,
        )
        await _judge_alone(assignment, options, execution, source=run)

    run_async(work)


def _check_run(run: Path) -> None:
    record = read_artefact(run)
    if not any(each.is_anchor for each in record.bt_summary):
        raise InvalidRequest(
            f"{run}: there were no anchors in this run; name an assignment's folder to judge its own"
        )
    _show(record.bt_summary, record.metadata.grade_scale)


async def _judge_alone(
    assignment: Assignment, options: RunOptions, execution: Execution, *, source: Path
) -> None:
    alone = replace(
        assignment,
        assignment_id=None,
        anchors=(),
        essays=tuple(
            StudentEssay(essay_id=each.label, text=each.text, file=each.file) for each in assignment.anchors
        ),
    )
    await execute_run(alone, options, execution, source=source, course=alone.course_code, given=Changes())
    record = read_artefact(execution.out / options.batch_id)
    labels = {each.essay_id: each.batch_essay_id for each in record.inputs.students}
    grades = {each.label: each.grade for each in assignment.anchors}
    _show(_graded(record.bt_summary, labels, grades), assignment.grade_scale)


def _graded(scores: Sequence[Score], labels: Mapping[str, str], grades: Mapping[str, str]) -> list[Score]:
    """The scores of anchors that were judged as essays, with the grades that were kept back."""
    return [
        each.model_copy(
            update={
                "essay_id": labels[each.essay_id],
                "is_anchor": True,
                "anchor_grade": grades[labels[each.essay_id]],
            }
        )
        for each in scores
    ]


def _show(scores: Sequence[Score], scale: str | None) -> None:
    found = anchor_alignment(scores, scale)
    if found is None:
        raise InvalidRequest("no anchor has a grade on a scale: give the assignment a grade_scale")
    wins = {each.essay_id: each.wins for each in scores}
    if show_alignment(found, wins=wins, console=console):
        raise typer.Exit(ExitCode.FINDINGS)
