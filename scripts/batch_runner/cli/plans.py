"""Commands that say what a run would be, and send nothing: plan, dry-run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from command_line.exit_codes import ExitCode, error_console, reporting_errors
from command_line.option_values import with_options
from event_contracts import CourseCode, PanelJudge

from batch_runner.artefact.record import RunMode
from batch_runner.assignment.contents import Assignment
from batch_runner.assignment.loading import ReadFolder, examine, load_assignment
from batch_runner.cli.app import (
    DEFAULT_OUT,
    Course,
    Folder,
    Json,
    Judges,
    MaxComparisons,
    MaxCost,
    Model,
    Out,
    Provider,
    Roster,
    app,
    console,
    exact,
    label_of,
    print_json,
)
from batch_runner.planning.checking import writable_folder
from batch_runner.planning.judges import judge_panel
from batch_runner.planning.printing import names_of, print_contents, print_problems
from batch_runner.reading.anonymity import read_roster
from batch_runner.reporting.run_files import write_run_files
from batch_runner.running.assembling import PlannedRun
from batch_runner.running.execution import sha256
from batch_runner.running.request import RequestTexts, RunOptions, assessment_request
from batch_runner.running.run_folder import RunFolder

if TYPE_CHECKING:
    from batch_runner.planning.prospects import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What was typed after cj-run plan."""

    folder: Folder
    course: Course = CourseCode.ENG5
    provider: Provider = None
    model: Model = None
    judge: Judges = None
    target_reliability: Annotated[
        float, typer.Option(min=0.01, max=0.999, help="Reliability at which judging would stop.")
    ] = 0.9
    max_comparisons: MaxComparisons = None
    max_cost_usd: MaxCost = None
    sd: Annotated[
        float | None,
        typer.Option(min=0, help="This judge's spread of essays in logits, if it was measured (tau)."),
    ] = None
    roster: Roster = None
    out: Annotated[Path | None, typer.Option(help="Also keep a record of the plan in this folder.")] = None
    json: Json = False

    def panel(self) -> tuple[PanelJudge, ...]:
        """The judges that share the batch; raises ``WrongOption``."""
        return judge_panel(self.judge or (), provider=self.provider, model=self.model)

    def wanted(self, panel: Sequence[PanelJudge]) -> "Wanted":
        """What the forecast is asked for."""
        # Imported here: numpy and scipy take a second, and a folder with problems is refused before that.
        from batch_runner.planning.prospects import Wanted

        return Wanted(
            target_reliability=self.target_reliability,
            max_comparisons=self.max_comparisons,
            max_cost_usd=exact(self.max_cost_usd),
            sd=self.sd,
            provider=self.provider,
            model=self.model,
            panel=panel,
        )

    def run_options(self, assignment: Assignment, panel: tuple[PanelJudge, ...]) -> RunOptions:
        """The options of the run that is planned."""
        return RunOptions(
            label=label_of(None, assignment), provider=self.provider, model=self.model, panel=panel
        )


@app.command()
@with_options(PlanOptions)
def plan(options: PlanOptions) -> None:
    """Read and check a folder; show what would be judged, how often, at what price and for how long.

    Nothing is sent and nothing is paid for. Every problem of the folder is named, one per line; the exit code is then
    4.
    """
    with reporting_errors():
        panel = options.panel()
        names = () if options.roster is None else read_roster(options.roster)
        assignment = _readable(options)
        if not options.json:
            print_contents(
                assignment,
                provider=options.provider,
                model=options.model,
                panel=panel,
                roster=names,
                console=console,
            )
        _forecast(assignment, options.wanted(panel), names, as_json=options.json)
        if options.out is not None:
            planned = options.run_options(assignment, panel)
            _record(
                PlannedRun(mode=RunMode.PLAN, assignment=assignment, options=planned),
                options.out,
                is_quiet=options.json,
            )


def _readable(options: PlanOptions) -> Assignment:
    """The folder's assignment; raises ``typer.Exit`` after its problems are printed, where it has any."""
    ignored = () if options.roster is None else (options.roster,)
    with console.status("reading …"):
        found = examine(options.folder, course=options.course, ignored=ignored)
    if isinstance(found, ReadFolder):
        return found.assignment
    if options.json:
        from batch_runner.planning.document import problems_document

        print_json(problems_document(found))
    print_problems(found, errors=error_console)
    raise typer.Exit(ExitCode.VALIDATION)


def _forecast(assignment: Assignment, wanted: "Wanted", names: Sequence[str], *, as_json: bool) -> None:
    from batch_runner.analysing.analysis import measuring
    from batch_runner.planning.document import plan_document
    from batch_runner.planning.pair_cost import PromptSize
    from batch_runner.planning.prospects import offers, prospects
    from batch_runner.planning.side_by_side import print_prospects

    size = PromptSize.of(assignment)
    with measuring(), console.status("simulating …"):
        found = prospects(wanted, essays=len(assignment.texts), size=size)
    offered = offers(wanted, found, size)
    if not as_json:
        print_prospects(wanted.target_reliability, found, offered, console)
        return
    document = plan_document(
        assignment,
        names_of(assignment, names),
        target_reliability=wanted.target_reliability,
        found=found,
        offered=offered,
    )
    print_json(document)


@app.command("dry-run")
def dry_run(
    folder: Folder,
    out: Out = DEFAULT_OUT,
    course: Course = CourseCode.ENG5,
    provider: Provider = None,
    model: Model = None,
    judge: Judges = None,
) -> None:
    """Make the request and the run's record, and send nothing: shows what a run would send."""
    with reporting_errors():
        panel = judge_panel(judge or (), provider=provider, model=model)
        assignment = load_assignment(folder, course=course)
        options = RunOptions(label=label_of(None, assignment), provider=provider, model=model, panel=panel)
        options.check(assignment)
        print_contents(assignment, provider=provider, model=model, panel=panel, console=console)
        # The service names a text by the SHA-256 of its bytes, and so can we.
        texts = RequestTexts(
            essay_storage_ids=tuple(sha256(essay.text) for essay in assignment.essays),
            prompt_storage_id=None
            if assignment.student_prompt is None
            else sha256(assignment.student_prompt),
        )
        request = assessment_request(assignment, texts, options)
        run = out / options.batch_id
        with writable_folder(run):
            RunFolder(run).keep_request(request)
            console.out(f"the request has {len(request.to_json())} bytes; nothing was sent", highlight=False)
            _record(PlannedRun(mode=RunMode.DRY_RUN, assignment=assignment, options=options), out)


def _record(run: PlannedRun, out: Path, *, is_quiet: bool = False) -> None:
    folder = out / run.options.batch_id
    for path in write_run_files(run, folder):
        if not is_quiet:
            console.out(str(path), highlight=False)
