"""cj-admin batches: list, show, cancel, forget and export them."""

import os
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Annotated, Final
from uuid import UUID

import typer
from batch_runner.artefact.forgetting import ForgottenRun, forget_run
from command_line.errors import WrongOption
from event_contracts import (
    AssessmentAccepted,
    AssessmentState,
    BatchPage,
    BatchStatusView,
    ErasureView,
    InvalidRequest,
)
from rich.prompt import Confirm

from admin_cli.cli.app import DEFAULT_URL, Json, OutputFile, Url, console, group
from admin_cli.client import AdminClient, connected, part
from admin_cli.exit_codes import error_console, reporting_errors
from admin_cli.showing import batch_facts, batches_table, erasure_facts, print_json

LOOK_EVERY_SECONDS: Final = 0.5
commands = group("batches", "List, show, cancel and forget batches, and tell what is held about them.")
BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id, as in batches list.")]


@commands.command("list")
def list_command(
    state: Annotated[AssessmentState | None, typer.Option(help="Only batches in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="The next_cursor from the previous page.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List batches, the newest first."""
    with reporting_errors(), connected(url) as service:
        query = {"state": state, "limit": limit, "cursor": cursor}
        page = service.ask(BatchPage, "GET", "/api/v1/batches", query=query)
        if as_json:
            print_json(console, page)
            return
        console.print(batches_table(page))
        if page.next_cursor is not None:
            console.print(f"--cursor {page.next_cursor}", style="dim", soft_wrap=True, end=" ")
            console.print("shows older ones", style="dim")


@commands.command()
def show(batch: BatchId, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show how far a batch is, what it has cost, and what keeps it from continuing."""
    with reporting_errors(), connected(url) as service:
        view = service.ask(BatchStatusView, "GET", f"/api/v1/batches/{part(batch)}")
        if as_json:
            print_json(console, view)
        else:
            console.print(batch_facts(view))


@commands.command()
def cancel(batch: BatchId, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Stop judging a batch; no result is published."""
    with reporting_errors(), connected(url) as service:
        accepted = service.ask(AssessmentAccepted, "POST", f"/api/v1/batches/{part(batch)}/cancel")
        if as_json:
            print_json(console, accepted)
        else:
            console.print(f"batch {accepted.batch_id} is being cancelled", markup=False)


@commands.command()
def forget(
    batch: BatchId,
    everything: Annotated[
        bool,
        typer.Option("--everything", help="Scores, grades and ids as well: nothing is left but the proof."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait until every service has done it.")
    ] = 30.0,
    runs: Annotated[
        Path,
        typer.Option(help="Folder of cj-run's runs: the files of the batch's own run are deleted as well."),
    ] = Path("runs"),
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Forget a batch that has ended: texts, prompts, raw answers, reasons and names, in every service and its run.

    It cannot be undone. Repeating it changes nothing, and shows how far it is.
    """
    with reporting_errors():
        if not yes:
            _make_sure(batch, everything=everything)
        with connected(url) as service:
            path = f"/admin/v1/batches/{part(batch)}"
            view = service.ask(ErasureView, "DELETE", path, query={"everything": str(everything).lower()})
            view = _followed(service, view, f"{path}/erasure", seconds=wait)
        forgotten = _forget_run(runs, batch)
        for kept in () if forgotten is None else forgotten.left:
            error_console.print(f"left, because cj-run did not write it: {kept}", soft_wrap=True)
        if as_json:
            print_json(console, view)
            return
        console.print(erasure_facts(view))
        if forgotten is not None:
            console.print(f"deleted {len(forgotten.deleted)} files of its run", soft_wrap=True)
        if view.completed_at is None:
            console.print("it continues by itself; the same command shows how far it is", style="dim")


def _forget_run(runs: Path, batch: str) -> ForgottenRun | None:
    """Delete what cj-run has written about the batch, where its run lies here: in a folder named by its UUID."""
    try:
        folder = runs / str(UUID(batch))
    except ValueError:
        return None
    return forget_run(folder) if folder.is_dir() else None


def _make_sure(batch: str, *, everything: bool) -> None:
    if not sys.stdin.isatty():
        raise WrongOption("nothing was forgotten: there is no terminal to ask on; say --yes if you are sure")
    what = "everything about" if everything else "texts, prompts, raw answers, reasons and names of"
    if not Confirm.ask(f"Forget {what} batch {batch}, for ever?", console=error_console, default=False):
        raise WrongOption("nothing was forgotten")


def _followed(service: AdminClient, view: ErasureView, path: str, *, seconds: float) -> ErasureView:
    until = monotonic() + seconds
    while view.completed_at is None and monotonic() < until:
        sleep(LOOK_EVERY_SECONDS)
        view = service.ask(ErasureView, "GET", path)
    return view


@commands.command()
def export(
    subject: Annotated[
        str, typer.Argument(metavar="ID", help="A batch's id; with --essay, an essay's id in whatever batch.")
    ],
    essay: Annotated[bool, typer.Option("--essay", help="ID is an essay's.")] = False,
    output_file: OutputFile = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Write all that is held about a batch or an essay, as one JSON document."""
    with reporting_errors(), connected(url) as service:
        path = f"/admin/v1/{'essays' if essay else 'batches'}/{part(subject)}/export"
        if output_file is None:
            _export_to_screen(service, path)
        else:
            _export_to_file(service, path, output_file)
            error_console.print(f"written: {output_file}", markup=False, soft_wrap=True)


def _export_to_screen(service: AdminClient, path: str) -> None:
    with service.download(path) as pieces:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.write(b"\n")


def _export_to_file(service: AdminClient, path: str, file: Path) -> None:
    """The file appears when it is whole, for its owner alone."""
    part_file = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with service.download(path) as pieces:
            number = os.open(part_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(number, "wb") as out:
                out.writelines(pieces)
        part_file.replace(file)
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be written: {error.strerror}") from error
    finally:
        part_file.unlink(missing_ok=True)
