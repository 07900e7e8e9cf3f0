"""Carrying a run out over any of the transports, resuming one, and cancelling one."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from command_line.exit_codes import error_console
from event_contracts import Conflict, CourseCode, InvalidRequest, NotFound, grade_scale

from batch_runner.artefact.forgetting import EMBEDDED, SETTINGS
from batch_runner.artefact.verifying import read_artefact
from batch_runner.assignment.contents import Assignment
from batch_runner.assignment.loading import load_assignment
from batch_runner.cli.app import console
from batch_runner.planning.checking import writable_folder
from batch_runner.reporting.ended import report_run
from batch_runner.running.execution import sha256
from batch_runner.running.lifecycle import HttpTransport, RunLifecycle, Transport
from batch_runner.running.request import RunOptions
from batch_runner.running.run_events import KafkaOffsets, TextsUploaded
from batch_runner.running.run_folder import KafkaSettings, RunFolder, RunSettings, TransportName
from batch_runner.running.uploads import RememberedUploads
from batch_runner.wire.client import AssessmentClient
from batch_runner.wire.connection import ROLE, connected
from batch_runner.wire.embedded import Addresses, embedded_suite
from batch_runner.wire.judges_state import why_not_called
from batch_runner.wire.kafka import KafkaTransport


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where a run's files go, how its request is sent, and how long it is followed."""

    url: str
    llm_url: str | None
    out: Path
    transport: TransportName
    kafka: KafkaSettings | None
    """Set if the transport is kafka."""
    await_completion: bool
    completion_timeout: float | None
    force_reupload: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What the command line says instead of the assignment's description; None leaves it as it is."""

    assignment_id: str | None = None
    course_id: str | None = None
    grade_scale: str | None = None
    language: str | None = None
    rubric: str | None = None

    def given(self) -> dict[str, str]:
        """What is changed, by name."""
        names = ("assignment_id", "course_id", "grade_scale", "language", "rubric")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def applied(self, assignment: Assignment) -> Assignment:
        """The assignment with these changes."""
        return replace(assignment, **self.given())  # type: ignore[arg-type]  # all of them are texts


def check_scale(assignment: Assignment, *, expected: str | None = None) -> None:
    """Raise ``InvalidRequest`` unless every anchor has a grade of the scale, and the scale is the expected one."""
    if expected is not None and assignment.grade_scale != grade_scale(expected).id:
        raise InvalidRequest(
            f"the assignment is on {assignment.grade_scale or 'no grade scale'}, and --expected-grade-scale is"
            f" {expected}"
        )
    if assignment.anchors and assignment.grade_scale is not None:
        scale = grade_scale(assignment.grade_scale)
        for anchor in assignment.anchors:
            scale.index(anchor.grade)


async def execute_run(
    assignment: Assignment,
    options: RunOptions,
    execution: Execution,
    *,
    source: Path,
    course: CourseCode,
    given: Changes,
) -> None:
    """Begin a run in a folder of its own and follow it; raises ``typer.Exit`` with what was found."""
    options.check(assignment)
    folder = execution.out / options.batch_id
    with writable_folder(folder):
        async with _service(execution, folder) as addresses:
            url = addresses.assessment
            settings = RunSettings(
                folder=str(source),
                course=course,
                given=given.given(),
                label=options.label,
                transport=execution.transport,
                url=url,
                kafka=execution.kafka,
                options=options.as_json(),
            )
            async with connected(url) as client:
                await client.check_ready()
                RunFolder(folder).begin(settings)
                await _run(
                    client, addresses.provider, assignment, options, settings, execution, RunFolder(folder)
                )


async def resume_run(folder: Path, execution: Execution) -> None:
    """Resume a run; one that has ended is reported, and nothing is fetched again."""
    settings = RunFolder(folder).settings()
    if _is_complete(folder):
        console.out(f"{folder} is complete: nothing to resume", highlight=False)
        return
    options = RunOptions.of_json(settings.options)
    changed = Changes(**{name: str(value) for name, value in settings.given.items()})
    assignment = changed.applied(load_assignment(Path(settings.folder), course=CourseCode(settings.course)))
    _check_unchanged(assignment, RunFolder(folder))
    same = replace(execution, transport=settings.transport, url=settings.url)
    async with _service(same, folder) as addresses, connected(addresses.assessment) as client:
        await client.check_ready()
        await _run(client, addresses.provider, assignment, options, settings, execution, RunFolder(folder))


async def cancel_run(folder: Path) -> None:
    """Stop judging the batch of a run."""
    settings = RunFolder(folder).settings()
    options = RunOptions.of_json(settings.options)
    if settings.transport == "embedded":
        raise InvalidRequest(
            f"{folder} ran on an embedded suite, which judges only while its run is followed: nothing is judged now"
        )
    async with connected(settings.url) as client:
        await client.cancel(options.batch_id)
    console.out(f"cancelled {options.batch_id}: nothing more is judged", highlight=False)


async def _why_not_called(llm_url: str, options: RunOptions) -> str | None:
    asked = {judge.provider for judge in options.panel} | ({options.provider} if options.provider else set())
    return await why_not_called(llm_url, providers=asked, role=ROLE)


async def _run(
    client: AssessmentClient,
    llm_url: str | None,
    assignment: Assignment,
    options: RunOptions,
    settings: RunSettings,
    execution: Execution,
    folder: RunFolder,
) -> None:
    remembered = RememberedUploads(folder.path.parent, settings.url)
    stored = None
    outlives_run = settings.transport != "embedded"
    if outlives_run and not execution.force_reupload:
        stored = await remembered.still_stored(client)
    async with _transport(client, options, settings, folder) as transport:
        running = RunLifecycle(
            client=client,
            transport=transport,
            folder=folder,
            console=console,
            timeout_seconds=execution.completion_timeout,
            stored=stored,
            why_not_called=None if llm_url is None else partial(_why_not_called, llm_url, options),
            is_judged_meanwhile=outlives_run,
        )
        ended = None
        if execution.await_completion:
            ended = await running.run(assignment, options)
        else:
            await running.start(assignment, options)
    if outlives_run:
        remembered.remember(folder)
    if ended is None:
        console.out(
            f"{options.batch_id} is started; follow it with cj-run execute --resume {folder.path}",
            highlight=False,
        )
        return
    report_run(ended, folder=folder.path, console=console)


@asynccontextmanager
async def _service(execution: Execution, folder: Path) -> AsyncIterator[Addresses]:
    if execution.transport != "embedded":
        llm_url = None if execution.llm_url is None else execution.llm_url.rstrip("/")
        yield Addresses(assessment=execution.url.rstrip("/"), provider=llm_url)
        return
    console.out("starting the embedded suite …", style="dim", highlight=False)
    data = folder.parent / EMBEDDED / folder.name
    try:
        async with embedded_suite(data) as addresses:
            yield addresses
    finally:
        if _is_complete(folder) or not (folder / SETTINGS).exists():
            await asyncio.to_thread(_remove_suite, data)


def _remove_suite(data: Path) -> None:
    """Remove the data of an embedded suite that will not be resumed; what cannot be removed stays and is named."""
    try:
        shutil.rmtree(data)
    except OSError as error:
        error_console.out(
            f"{data} is needed no more and could not be removed ({error.strerror})", highlight=False
        )
    with suppress(OSError):  # other runs may still be resumed
        data.parent.rmdir()


@asynccontextmanager
async def _transport(
    client: AssessmentClient, options: RunOptions, settings: RunSettings, folder: RunFolder
) -> AsyncIterator[Transport]:
    if settings.kafka is None:
        yield HttpTransport(client)
        return
    async with KafkaTransport(
        bootstrap=settings.kafka.bootstrap,
        client_id=settings.kafka.client_id,
        prefix=settings.kafka.topic_prefix,
        batch_id=options.batch_id,
        folder=folder.path,
        offsets=_first_offsets(folder),
    ) as over_kafka:
        folder.log(KafkaOffsets.EVENT, offsets=dict(over_kafka.offsets))
        yield over_kafka


def _first_offsets(folder: RunFolder) -> Mapping[str, int]:
    """Where the run began to listen, so that it reads again what it missed; empty before it has begun."""
    began = next(folder.events(KafkaOffsets), None)
    return {} if began is None else began.offsets


def _is_complete(folder: Path) -> bool:
    try:
        run = read_artefact(folder)
    except NotFound:
        return False
    return not run.validation.runner_status.partial_data


def _check_unchanged(assignment: Assignment, folder: RunFolder) -> None:
    """Raise ``Conflict`` where a text is not what was uploaded: a record must hold what was judged."""
    for uploaded in folder.events(TextsUploaded):
        changed = [essay.essay_id for essay in assignment.essays if sha256(essay.text) not in uploaded.stored]
        if changed:
            raise Conflict(
                f"{', '.join(changed[:3])}: the text is not the one that this run began with; put the files back,"
                " or start a new run"
            )
