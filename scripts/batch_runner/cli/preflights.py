"""cj-run preflight: what a run needs, checked before anything is sent."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from command_line.addresses import PROVIDER_URL
from command_line.finding import Finding, exit_where_any_failed, show, show_counts
from event_contracts import CourseCode

from batch_runner.cli.app import (
    DEFAULT_OUT,
    DEFAULT_URL,
    Course,
    Json,
    Model,
    Out,
    Provider,
    Url,
    app,
    console,
    print_json,
)
from batch_runner.cli.run_async import run_async
from batch_runner.preflight.checks import Wanted, access_findings, findings


@app.command()
def preflight(
    folder: Annotated[
        Path | None, typer.Argument(help="An assignment's folder: is it registered, on the right scale?")
    ] = None,
    url: Url = DEFAULT_URL,
    llm_url: Annotated[
        str, typer.Option(envvar="LLM_PROVIDER_URL", help="Base URL of the LLM Provider.")
    ] = PROVIDER_URL,
    conductor_url: Annotated[
        str | None,
        typer.Option(envvar="BATCH_CONDUCTOR_URL", help="Base URL of the Batch Conductor, if it is used."),
    ] = None,
    kafka_bootstrap: Annotated[
        str | None, typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS", help="The broker, for runs over Kafka.")
    ] = None,
    kafka_topic_prefix: Annotated[str, typer.Option(help="Before each topic's name.")] = "",
    provider: Provider = None,
    model: Model = None,
    course: Course = CourseCode.ENG5,
    out: Out = DEFAULT_OUT,
    auth_only: Annotated[
        bool, typer.Option("--auth-only", help="Only the token and what it may do.")
    ] = False,
    json: Json = False,
) -> None:
    """Try what a run needs: services, broker, access, content store, judge, assignment, folder, clocks.

    Each line says passed, failed or not checked, and what to do. Nothing is judged and nothing is paid for. The exit
    code is 0 where nothing failed, else 1.
    """
    wanted = Wanted(
        folder=folder,
        course=course,
        url=url.rstrip("/"),
        llm_url=llm_url.rstrip("/"),
        conductor_url=None if conductor_url is None else conductor_url.rstrip("/"),
        kafka_bootstrap=kafka_bootstrap,
        kafka_topic_prefix=kafka_topic_prefix,
        provider=provider,
        model=model,
        out=out,
    )
    run_async(lambda: _report(access_findings(wanted) if auth_only else findings(wanted), as_json=json))


async def _report(checks: AsyncIterator[Finding], *, as_json: bool) -> None:
    found: list[Finding] = []
    async for finding in checks:
        found.append(finding)
        if not as_json:
            show(finding, console=console)
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        show_counts(found, console=console)
    exit_where_any_failed(found)
