"""A batch from its first upload to its end, or to where it can be resumed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final, Protocol

from event_contracts import FINAL_STATES, BatchStatusView
from rich.console import Console

from batch_runner import run_log
from batch_runner.artefact.outcome import Reading
from batch_runner.artefact.record import RunMode
from batch_runner.assignment.contents import Assignment
from batch_runner.run_log import LogEvent
from batch_runner.running.assembling import EndedRun, Observed
from batch_runner.running.execution import (
    ACCEPTED_WITHIN_SECONDS,
    collect,
    follow,
    stored_texts,
    until_accepted,
    upload,
    with_registered_anchors,
)
from batch_runner.running.progress import LiveProgress
from batch_runner.running.request import RequestEnvelope, RunOptions, assessment_request
from batch_runner.running.run_events import BatchProgress, BatchStarted, TextsUploaded
from batch_runner.running.run_folder import RunFolder
from batch_runner.wire.client import AssessmentClient

STALL_SECONDS: Final = 3.0
"""How long nothing may move before the runner asks why."""


class Transport(Protocol):
    """How a request reaches the service, and what of the batch's messages was seen; see ``wire``."""

    async def start(self, request: RequestEnvelope) -> None:
        """Send the request; sending it again changes nothing."""

    @property
    def is_queued(self) -> bool:
        """Whether the service reads a request later than ``start`` returns."""

    async def until_quiet(self) -> None:
        """Wait for messages about a batch that has ended, where any are listened to."""

    def observed(self) -> Mapping[str, int]:
        """Messages about the batch by kind, each counted once; empty where none are listened to."""


@dataclass(frozen=True, slots=True)
class HttpTransport:
    """The request is posted, and its status is polled."""

    client: AssessmentClient

    async def start(self, request: RequestEnvelope) -> None:
        """Post the request."""
        await self.client.start(request)

    @property
    def is_queued(self) -> bool:
        """The service has the request when it has answered."""
        return False

    async def until_quiet(self) -> None:
        """Nothing is listened to."""

    def observed(self) -> Mapping[str, int]:
        """Nothing is listened to."""
        return {}


@dataclass(frozen=True, kw_only=True)
class RunLifecycle:
    """One run: everything that it needs to go from its folder to its end."""

    client: AssessmentClient
    transport: Transport
    folder: RunFolder
    console: Console
    timeout_seconds: float | None = None
    """How long the batch is followed; None for no limit."""
    stored: Mapping[str, str] | None = None
    why_not_called: Callable[[], Awaitable[str | None]] | None = None
    """Asks why judges are not called, where that can be known."""
    is_judged_meanwhile: bool = True
    """Whether the service continues when the runner stops following the batch."""

    async def start(self, assignment: Assignment, options: RunOptions) -> None:
        """Start or resume the batch, and leave it to the service."""
        with self._logging_interrupts():
            await self._started(assignment, options)

    async def run(self, assignment: Assignment, options: RunOptions) -> EndedRun:
        """Start or resume the batch, follow it, and fetch the results.

        An interrupt leaves the batch as it is: the run's folder says how to resume it.
        """
        with self._logging_interrupts():
            request = await self._started(assignment, options)
            await self._until_accepted(options)
            status, timed_out = await self._follow(options)
            if not timed_out:
                await self.transport.until_quiet()
            batch = await collect(self.client, assignment, request, status)
            assignment = await with_registered_anchors(self.client, assignment, batch.comparisons)
        return EndedRun(
            options=options,
            batch=replace(batch, assignment=assignment),
            observed=self._observed(len(batch.comparisons), status),
            is_partial=timed_out,
            timeout_seconds=self.timeout_seconds,
        )

    @contextmanager
    def _logging_interrupts(self) -> Iterator[None]:
        try:
            yield
        except asyncio.CancelledError:
            self._interrupted()
            raise

    async def _started(self, assignment: Assignment, options: RunOptions) -> RequestEnvelope:
        run_log.about_run(runner_mode=RunMode.EXECUTE, batch_uuid=options.batch_id, batch_id=options.label)
        request = await self._requested(assignment, options)
        run_log.about_run(correlation_id=request.correlation_id)
        await self.transport.start(request)
        self.folder.log(BatchStarted.EVENT, batch_uuid=options.batch_id, event_id=str(request.event_id))
        return request

    async def _requested(self, assignment: Assignment, options: RunOptions) -> RequestEnvelope:
        """The request of this run: the one that was kept, or a new one after all texts are uploaded."""
        kept = self.folder.request()
        if kept is not None:
            return kept
        texts = await upload(self.client, assignment, stored=self._stored())
        self.folder.log(TextsUploaded.EVENT, stored=stored_texts(assignment, texts))
        request = assessment_request(assignment, texts, options)
        self.folder.keep_request(request)
        return request

    def _stored(self) -> dict[str, str]:
        stored = dict(self.stored or {})
        for uploaded in self.folder.events(TextsUploaded):
            stored |= uploaded.stored
        return stored

    async def _until_accepted(self, options: RunOptions) -> None:
        if self.transport.is_queued:
            limit = self.timeout_seconds
            seconds = ACCEPTED_WITHIN_SECONDS if limit is None else min(limit, ACCEPTED_WITHIN_SECONDS)
            await until_accepted(self.client, options.batch_id, seconds=seconds)

    async def _follow(self, options: RunOptions) -> tuple[BatchStatusView, bool]:
        """The last status, and whether waiting ended before the batch did."""
        status: BatchStatusView | None = None
        previous: tuple[object, ...] | None = None
        timed_out = False
        try:
            async with asyncio.timeout(self.timeout_seconds):
                with LiveProgress(self.console) as live:
                    moved_at, waiting = monotonic(), None
                    async for status in follow(self.client, options.batch_id):
                        reading = reading_of(status)
                        seen = (status.state, *reading.model_dump(exclude={"at"}).values(), status.problem)
                        if seen != previous:
                            previous, moved_at, waiting = seen, monotonic(), None
                            self._log(status, reading)
                        elif monotonic() - moved_at > STALL_SECONDS:
                            waiting = await self._why_still()
                        problem = None if status.problem is None else status.problem.message
                        live.show(status, waiting=problem or waiting)
        except TimeoutError:
            timed_out = True
            self.folder.log(LogEvent.RUN_TIMED_OUT, seconds=self.timeout_seconds)
        if status is None:
            status = await self.client.status(options.batch_id)
        if not timed_out:
            self.folder.log(LogEvent.BATCH_ENDED, state=status.state, stop_reason=status.stop_reason)
        return status, timed_out

    async def _why_still(self) -> str | None:
        return None if self.why_not_called is None else await self.why_not_called()

    def _log(self, status: BatchStatusView, reading: Reading) -> None:
        self.folder.log(
            BatchProgress.EVENT,
            state=status.state,
            problem=None if status.problem is None else status.problem.message,
            reading=reading.model_dump(mode="json"),
        )

    def _observed(self, comparisons: int, status: BatchStatusView) -> Observed:
        readings = tuple(progress.reading for progress in self.folder.events(BatchProgress))
        counts = self.transport.observed()
        final = int(status.state in FINAL_STATES)
        return Observed(
            readings=readings,
            llm_comparisons=counts.get("comparisons", comparisons),
            assessment_results=counts.get("assessment_results", final),
            completions=counts.get("completions", final),
        )

    def _interrupted(self) -> None:
        self.folder.log(LogEvent.RUN_INTERRUPTED)
        if not any(True for _ in self.folder.events(BatchStarted)):
            said = f"interrupted before the batch was started: start it with --resume {self.folder.path}"
        elif self.is_judged_meanwhile:
            said = (
                f"interrupted: the batch continues and is paid for; follow it with --resume {self.folder.path}, or stop"
                f" it with cj-run cancel {self.folder.path}"
            )
        else:
            said = f"interrupted: nothing more is judged until it is resumed with --resume {self.folder.path}"
        self.console.out(said, highlight=False)


def reading_of(status: BatchStatusView) -> Reading:
    """What a status says of convergence and cost."""
    return Reading(
        at=status.updated_at,
        comparisons_judged=status.progress.comparisons_judged,
        comparisons_failed=status.progress.comparisons_failed,
        eb=status.reliability.eb,
        cost_usd=status.cost.cost_usd,
    )
