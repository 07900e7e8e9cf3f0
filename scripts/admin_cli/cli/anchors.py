"""cj-admin anchors: essays with known grades, from files to the service."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from event_contracts import (
    AnchorRegistration,
    AnchorView,
    Deleted,
    InvalidRequest,
    JsonObject,
    NotFound,
    grade_scale,
)
from pydantic import ValidationError
from rich.progress import track
from rich.table import Table

from admin_cli.anchors.anchor_file import AnchorFile
from admin_cli.anchors.registering import Registered, anchors_of, register_all, scale_of
from admin_cli.cli.app import DEFAULT_URL, AssignmentId, Json, Url, console, group, scale_names
from admin_cli.client import AdminClient, connected
from admin_cli.exit_codes import error_console, reporting_errors
from admin_cli.showing import anchors_table, cell, print_json
from admin_cli.typed_texts import given_text

commands = group("anchors", "Essays with known grades, by which scores become grades.")


@commands.command("import")
def import_command(
    folder: Annotated[
        Path,
        typer.Argument(
            help="A folder or zip of documents named by their grades (F+1.docx), or with an anchors.csv"
            " (anchor_id, grade); a described assignment; or one document."
        ),
    ],
    assignment_id: AssignmentId,
    grade_scale: Annotated[
        str | None,
        typer.Option(
            help="The scale, where the assignment has no instructions yet.", autocompletion=scale_names
        ),
    ] = None,
    grade: Annotated[str | None, typer.Option(help="The grade of a single document.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check; register nothing.")] = False,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Register anchors from files. Every file is read and checked before the first is sent; repeating is safe."""
    # Imported here: the readers take time to load, and most commands read nothing.
    from admin_cli.anchors.reading import read_anchors

    with reporting_errors(), connected(url) as service:
        scale = scale_of(service, assignment_id, grade_scale)
        found = read_anchors(folder, assignment_id=assignment_id, scale=scale, grade=grade)
        if dry_run:
            _show_read(found, scale, as_json=as_json)
            return
        registered = _register(service, found, assignment_id)
        if as_json:
            print_json(console, {"grade_scale": scale, "anchors": [_as_json(one) for one in registered]})
        else:
            console.print(_registered_table(registered))
            changes = Counter(one.change.value for one in registered)
            told = ", ".join(f"{count} {change}" for change, count in changes.items())
            console.print(f"{len(registered)} anchors on {scale}: {told}", markup=False)


@commands.command("list")
def list_command(assignment_id: AssignmentId, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """List the anchors of an assignment that are on its scale."""
    with reporting_errors(), connected(url) as service:
        found = anchors_of(service, assignment_id)
        if as_json:
            print_json(console, found)
            return
        console.print(anchors_table(found))
        if others := found.anchor_count_total - found.anchor_count:
            scales = ", ".join(f"{count} on {scale}" for scale, count in found.anchor_count_by_scale.items())
            console.print(f"{others} more are on other scales, and are not used: {scales}", style="yellow")


@commands.command()
def replace(
    label: Annotated[str, typer.Argument(help="The anchor's label, as in anchors list.")],
    assignment_id: AssignmentId,
    file: Annotated[Path | None, typer.Option(help="The new text, from a file.")] = None,
    text: Annotated[str | None, typer.Option(help="The new text itself.")] = None,
    grade: Annotated[str | None, typer.Option(help="A new grade; the one it has if left out.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Give an anchor another text; batches that have begun keep the one they have."""
    with reporting_errors():
        essay = given_text(text, file, names="--file and --text")
        with connected(url) as service:
            before = anchors_of(service, assignment_id)
            anchor = next((one for one in before.anchors if one.anchor_label == label), None)
            if anchor is None:
                raise NotFound(f"assignment {assignment_id} has no anchor {label}: see cj-admin anchors list")
            wanted = _replacement(anchor, assignment_id, essay, grade)
            found = next(register_all(service, [AnchorFile(str(file or "--text"), wanted)], before))
        if as_json:
            print_json(console, _as_json(found))
        else:
            console.print(
                f"{found.change.value}: {found.view.anchor_label} ({found.view.grade})", markup=False
            )


@commands.command()
def delete(
    anchor_ids: Annotated[list[int], typer.Argument(metavar="ID…", min=1, help="Ids, as in anchors list.")],
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Delete anchors; batches that have begun keep them."""
    with reporting_errors(), connected(url) as service:
        for anchor_id in anchor_ids:
            deleted = service.ask(Deleted, "DELETE", f"/admin/v1/anchors/{anchor_id}")
            if as_json:
                print_json(console, deleted)
            else:
                console.print(f"deleted anchor {deleted.anchor_id}")


def _register(
    service: AdminClient, found: Sequence[AnchorFile], assignment_id: str
) -> tuple[Registered, ...]:
    before = anchors_of(service, assignment_id)
    shown: Iterable[AnchorFile] = track(
        found,
        description="registering",
        console=error_console,
        transient=True,
        disable=not error_console.is_terminal,
    )
    return tuple(register_all(service, shown, before))


def _replacement(anchor: AnchorView, assignment_id: str, text: str, grade: str | None) -> AnchorRegistration:
    if grade is not None:
        grade_scale(anchor.grade_scale).index(grade)
    try:
        return AnchorRegistration(
            assignment_id=assignment_id,
            grade=grade or anchor.grade,
            essay_text=text,
            anchor_label=anchor.anchor_label,
            grade_scale=anchor.grade_scale,
        )
    except ValidationError as error:
        raise InvalidRequest.of(error) from error


def _show_read(found: Sequence[AnchorFile], scale: str, *, as_json: bool) -> None:
    if as_json:
        anchors: list[JsonObject] = [
            {
                "file": one.file,
                "anchor_label": one.registration.anchor_label,
                "grade": one.registration.grade,
                "words": len(one.registration.essay_text.split()),
            }
            for one in found
        ]
        print_json(console, {"grade_scale": scale, "anchors": [*anchors]})
        return
    table = _table("file", "label", "grade", "words")
    for one in found:
        words = str(len(one.registration.essay_text.split()))
        table.add_row(*map(cell, (one.file, one.registration.anchor_label, one.registration.grade, words)))
    console.print(table)
    console.print(f"{len(found)} anchors on {scale} would be registered", markup=False)


def _registered_table(registered: Sequence[Registered]) -> Table:
    table = _table("id", "label", "grade", "")
    for one in registered:
        told = f"moved from {one.moved_from}" if one.moved_from else one.change.value
        table.add_row(*map(cell, (one.view.anchor_id, one.view.anchor_label, one.view.grade, told)))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _as_json(one: Registered) -> JsonObject:
    return {**one.view.model_dump(mode="json"), "change": one.change.value, "moved_from": one.moved_from}
