"""All checks of a preflight, in the order in which things depend on each other."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path

import httpx2
from command_line.finding import Finding, failed, not_checked
from event_contracts import CourseCode, InvalidRequest
from pydantic import ValidationError
from suite_access import CallerToken

from batch_runner.assignment.description import DESCRIPTION
from batch_runner.assignment.loading import load_anchors, load_assignment
from batch_runner.preflight import over_the_wire, places
from batch_runner.wire.connection import ROLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be checked, by address; None is not used by the run."""

    folder: Path | None
    course: CourseCode
    url: str
    llm_url: str
    conductor_url: str | None
    kafka_bootstrap: str | None
    kafka_topic_prefix: str
    provider: str | None
    model: str | None
    out: Path


async def access_findings(wanted: Wanted) -> AsyncIterator[Finding]:
    """The token, and what it may do."""
    yield places.token(CallerToken(wanted.url, role=ROLE).token())
    async with _http(wanted.url) as http:
        for finding in await _asked("access to runs", over_the_wire.access(http, wanted.url)):
            yield finding


async def findings(wanted: Wanted) -> AsyncIterator[Finding]:
    """Every finding, as soon as it is known."""
    async with _http(wanted.url) as http:
        for finding in await over_the_wire.service(http, "CJ Assessment", wanted.url):
            yield finding
    async with _http(wanted.llm_url) as http:
        for finding in await over_the_wire.service(http, "LLM Provider", wanted.llm_url):
            yield finding
        judging = over_the_wire.judge(http, wanted.llm_url, provider=wanted.provider, model=wanted.model)
        for finding in await judging:
            yield finding
    if wanted.conductor_url is None:
        yield not_checked("Batch Conductor", "runs do not need it; --conductor-url has it checked")
    else:
        async with _http(wanted.conductor_url) as http:
            for finding in await over_the_wire.service(http, "Batch Conductor", wanted.conductor_url):
                yield finding
    if wanted.kafka_bootstrap is None:
        yield not_checked("broker", "runs over HTTP need none; --kafka-bootstrap has it checked")
    else:
        yield await over_the_wire.broker(wanted.kafka_bootstrap, prefix=wanted.kafka_topic_prefix)
    async for finding in access_findings(wanted):
        yield finding
    async with _http(wanted.url) as http:
        for finding in await _asked("content store", over_the_wire.content_store(http, wanted.url)):
            yield finding
        for finding in await _assignment(http, wanted):
            yield finding
    yield places.folder(wanted.out)


async def _assignment(http: httpx2.AsyncClient, wanted: Wanted) -> list[Finding]:
    if wanted.folder is None:
        return [not_checked("assignment", "name its folder to have it checked")]
    try:
        described = (wanted.folder / DESCRIPTION).is_file()
        read = (
            load_anchors(wanted.folder) if described else load_assignment(wanted.folder, course=wanted.course)
        )
    except InvalidRequest as error:
        return [failed("assignment", f"{error.message}; cj-run plan lists every problem")]
    return await _asked("assignment", over_the_wire.assignment(http, wanted.url, read))


async def _asked(what: str, check: Awaitable[list[Finding]]) -> list[Finding]:
    """What a check finds; a service that does not answer as it should is a finding too."""
    try:
        return await check
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return [not_checked(what, f"the service does not answer ({type(error).__name__})")]
    except ValidationError:
        return [failed(what, "returned an invalid response: is this the service, of the same version?")]


def _http(url: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(auth=CallerToken(url, role=ROLE), timeout=over_the_wire.TIMEOUT_SECONDS)
