"""Commands on the folders of runs: verify, report, compare, export, anchors check, forget."""

from pathlib import Path
from typing import Annotated

import typer
from event_contracts import InvalidRequest
from rich.table import Table
from rich.text import Text

from batch_runner.artefact.forgetting import forget_run
from batch_runner.artefact.verifying import verify as verified
from batch_runner.cli.app import app, console
from batch_runner.reporting.page.wording import Language
from batch_runner.running.exit_codes import ExitCode, errors, reporting_errors

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or its assessment_run file.")]

anchors = typer.Typer(no_args_is_help=True, help="The anchors of a run.")
app.add_typer(anchors, name="anchors")


@app.command()
def verify(run: RunFolder) -> None:
    """Check a run's folder: schema, checksums, each comparison's request, and the scores, computed again.

    Exit code: 0 where everything holds, 4 where anything does not, 3 where there is no run.
    """

    def work() -> None:
        checks = verified(run)
        for check in checks:
            for problem in check.problems:
                console.out("failed ", style="red", end=" ")
                console.out(f"{check.what}: {problem}", highlight=False)
            if not check.problems:
                console.out("passed ", style="green", end=" ")
                console.out(check.what, highlight=False)
        if any(check.problems for check in checks):
            raise typer.Exit(ExitCode.VALIDATION)

    reporting_errors(work)


@app.command()
def report(
    run: RunFolder,
    language: Annotated[Language, typer.Option(help="Language of the page.")] = Language.ENGLISH,
    out: Annotated[
        Path | None, typer.Option(help="The page's file; report.html in the run's folder.")
    ] = None,
) -> None:
    """Write report.html: one page that explains the run, needs no network, and may be printed."""
    reporting_errors(lambda: _report(run, language, out))


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Two or more runs of the same essays.")],
) -> None:
    """Compare runs with the first: rank correlation, agreement of grades, grade changes by essay, cost."""
    reporting_errors(lambda: _compare(runs))


@app.command()
def export(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files; export/ in the run's folder.")
    ] = None,
) -> None:
    """Write a run's essays and comparisons as CSV and Parquet."""
    reporting_errors(lambda: _export(run, out))


@anchors.callback()
def about_anchors() -> None:
    """The anchors of a run."""


@anchors.command("check")
def check(run: RunFolder) -> None:
    """Do the anchors' scores follow their grades? Kendall's tau, inversions, anchors that never won.

    The exit code is 6 where something is found.
    """
    reporting_errors(lambda: _check_anchors(run))


@app.command()
def forget(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/<batch uuid>.")],
) -> None:
    """Delete the files of a run; what the services hold of its batch is forgotten by an administrator.

    The exit code is 6 where files are left that cj-run did not write.
    """
    reporting_errors(lambda: _forget(run))


def _forget(run: Path) -> None:
    forgotten = forget_run(run)
    console.out(f"deleted {len(forgotten.deleted)} files of {run}", highlight=False)
    if forgotten.batch_id is not None:
        route = f"DELETE /admin/v1/batches/{forgotten.batch_id} of CJ Assessment"
        console.out(
            f"the services still hold the batch; an administrator forgets it: {route}", highlight=False
        )
    for path in forgotten.left:
        errors.out(f"left, because cj-run did not write it: {path}", highlight=False)
    if forgotten.left:
        raise typer.Exit(ExitCode.FINDINGS)


def _report(run: Path, language: Language, out: Path | None) -> None:
    from batch_runner.reporting.page.page import render
    from batch_runner.reporting.page.run_data import read_run

    html = render(read_run(run), language)
    path = out or _folder(run) / "report.html"
    _write(path, html.encode())
    console.out(str(path), highlight=False)


def _compare(runs: list[Path]) -> None:
    from batch_runner.reporting.comparing import compare_runs
    from batch_runner.reporting.page.run_data import read_run

    if len(runs) < 2:
        raise InvalidRequest("name two or more runs to compare")
    first, *others = [read_run(run) for run in runs]
    for path, other in zip(runs[1:], others, strict=True):
        found = compare_runs(first, other)
        console.out(f"{runs[0]} and {path}", style="bold", highlight=False)
        for line in found.lines():
            console.out(line, highlight=False)
        if found.changes:
            table = Table("essay", "grade", "now", "rank", "now", box=None, header_style="bold")
            for row in found.changes:
                table.add_row(*map(Text, row))
            console.print(table)


def _export(run: Path, out: Path | None) -> None:
    from batch_runner.reporting.exporting import export_run
    from batch_runner.reporting.page.run_data import read_run

    folder = out or _folder(run) / "export"
    data = read_run(run)
    try:
        written = export_run(data, folder)
    except OSError as error:
        raise InvalidRequest(f"{folder} could not be written: {error.strerror}") from error
    for path in written:
        console.out(str(path), highlight=False)


def _check_anchors(run: Path) -> None:
    from batch_runner.reporting.page.measures import measure
    from batch_runner.reporting.page.run_data import read_run

    found = measure(read_run(run))
    if not found.anchors:
        raise InvalidRequest(f"{run}: there were no anchors in this run")
    console.out(f"{len(found.anchors)} anchors, Kendall's tau {_number(found.tau)}", highlight=False)
    table = Table("anchor", "grade", "score", "wins", "displacement", box=None, header_style="bold")
    for each in found.anchors:
        cells = (each.score.essay_id, each.grade, f"{each.score.theta:+.2f}", str(each.wins))
        table.add_row(*map(Text, cells), _number(each.displacement))
    console.print(table)
    problems = [
        *(
            f"{low.essay_id} ({low.anchor_grade}) is ranked above {high.essay_id} ({high.anchor_grade})"
            for low, high in found.inversions
        ),
        *(f"{each.score.essay_id} ({each.grade}) never won" for each in found.anchors if each.wins == 0),
    ]
    for problem in problems:
        console.out(problem, highlight=False)
    if problems:
        raise typer.Exit(ExitCode.FINDINGS)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _folder(run: Path) -> Path:
    return run.parent if run.is_file() else run


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InvalidRequest(f"{path} could not be written: {error.strerror}") from error
