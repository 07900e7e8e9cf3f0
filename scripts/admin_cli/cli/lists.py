"""cj-admin scales and audit."""

from typing import Annotated

import typer
from event_contracts import ChangePage, ScaleList

from admin_cli.cli.app import DEFAULT_URL, Json, Url, app, console
from admin_cli.client import connected
from admin_cli.exit_codes import reporting_errors
from admin_cli.showing import audit_table, print_json, scales_table


@app.command()
def scales(url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """List the grade scales that there are."""
    with reporting_errors(), connected(url) as service:
        found = service.ask(ScaleList, "GET", "/admin/v1/grade-scales")
        if as_json:
            print_json(console, found)
        else:
            console.print(scales_table(found))


@app.command()
def audit(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many changes.")] = 20,
    before: Annotated[
        int | None, typer.Option(min=1, help="Only changes older than the one of this id.")
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show who changed what and when, the newest first."""
    with reporting_errors(), connected(url) as service:
        page = service.ask(ChangePage, "GET", "/admin/v1/audit", query={"limit": limit, "before": before})
        if as_json:
            print_json(console, page)
            return
        console.print(audit_table(page))
        if page.next_before is not None:
            console.print(f"--before {page.next_before} shows older ones", style="dim")
