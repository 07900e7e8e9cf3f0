"""Commands on the folders of runs: verify, report, compare, export, forget."""

from dataclasses import asdict, astuple
from pathlib import Path
from typing import Annotated, Final

import typer
from command_line.exit_codes import ExitCode, error_console, reporting_errors
from event_contracts import InvalidRequest
from rich.table import Table
from rich.text import Text

from batch_runner.artefact.forgetting import forget_run
from batch_runner.artefact.verifying import read_artefact
from batch_runner.artefact.verifying import verify as verified
from batch_runner.cli.app import Json, app, console, print_json
from batch_runner.reporting.page.wording import Language

SHOWN: Final = 10
"""Problems of each check that verify shows."""

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or its assessment_run file.")]


@app.command()
def verify(run: RunFolder) -> None:
    """Check a run's folder: schema, checksums, each comparison's request, and the scores, computed again.

    Exit code: 0 where everything holds, 4 where anything does not, 3 where there is no run.
    """
    with reporting_errors():
        checks = verified(run)
        for check in checks:
            for problem in check.problems[:SHOWN]:
                console.out("failed ", style="red", end=" ")
                console.out(f"{check.what}: {problem}", highlight=False)
            if len(check.problems) > SHOWN:
                console.out(f"        {check.what}: and {len(check.problems) - SHOWN} more", highlight=False)
            if not check.problems:
                console.out("passed ", style="green", end=" ")
                console.out(check.what, highlight=False)
        if any(check.problems for check in checks):
            raise typer.Exit(ExitCode.VALIDATION)


@app.command()
def report(
    run: RunFolder,
    language: Annotated[Language, typer.Option(help="Language of the page.")] = Language.ENGLISH,
    out: Annotated[
        Path | None, typer.Option(help="The page's file; report.html in the run's folder.")
    ] = None,
) -> None:
    """Write report.html: one page that explains the run, needs no network, and may be printed."""
    with reporting_errors():
        _report(run, language, out)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Two or more runs of the same essays.")],
    json: Json = False,
) -> None:
    """Compare runs with the first: rank correlation, agreement of grades, grade changes by essay, cost."""
    with reporting_errors():
        _compare(runs, as_json=json)


@app.command()
def export(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files; export/ in the run's folder.")
    ] = None,
) -> None:
    """Write a run's essays and comparisons as CSV and Parquet."""
    with reporting_errors():
        _export(run, out)


@app.command()
def forget(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/<batch uuid>.")],
) -> None:
    """Delete the files of a run; what the services hold of its batch is forgotten by an administrator.

    The exit code is 6 where files are left that cj-run did not write.
    """
    with reporting_errors():
        _forget(run)


def _forget(run: Path) -> None:
    forgotten = forget_run(run)
    console.out(f"deleted {len(forgotten.deleted)} files of {run}", highlight=False)
    if forgotten.batch_id is not None:
        route = f"DELETE /admin/v1/batches/{forgotten.batch_id} of CJ Assessment"
        console.out(
            f"the services still hold the batch; an administrator forgets it: {route}", highlight=False
        )
    for path in forgotten.left:
        error_console.out(f"left, because cj-run did not write it: {path}", highlight=False)
    if forgotten.left:
        raise typer.Exit(ExitCode.FINDINGS)


def _report(run: Path, language: Language, out: Path | None) -> None:
    from batch_runner.reporting.page.rendering import render

    html = render(read_artefact(run), language)
    path = out or _folder(run) / "report.html"
    _write(path, html.encode())
    console.out(str(path), highlight=False)


def _compare(runs: list[Path], *, as_json: bool) -> None:
    from batch_runner.reporting.comparing import compare_runs

    if len(runs) < 2:
        raise InvalidRequest("name two or more runs to compare")
    first, *others = [read_artefact(run) for run in runs]
    compared = [(path, compare_runs(first, other)) for path, other in zip(runs[1:], others, strict=True)]
    if as_json:
        with_first = [{"run": str(path), **asdict(found)} for path, found in compared]
        print_json({"first": str(runs[0]), "compared": with_first})
        return
    for path, found in compared:
        console.out(f"{runs[0]} and {path}", style="bold", highlight=False)
        for line in found.lines():
            console.out(line, highlight=False)
        if found.changes:
            table = Table("essay", "grade", "then", "rank", "then", box=None, header_style="bold")
            for change in found.changes:
                table.add_row(*(Text(str(cell)) for cell in astuple(change)))
            console.print(table)


def _export(run: Path, out: Path | None) -> None:
    from batch_runner.reporting.exporting import export_run

    folder = out or _folder(run) / "export"
    data = read_artefact(run)
    try:
        written = export_run(data, folder)
    except OSError as error:
        raise InvalidRequest(f"{folder} could not be written: {error.strerror}") from error
    for path in written:
        console.out(str(path), highlight=False)


def _folder(run: Path) -> Path:
    return run.parent if run.is_file() else run


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InvalidRequest(f"{path} could not be written: {error.strerror}") from error
