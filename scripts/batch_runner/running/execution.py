"""The steps of a run over the wire: upload the texts, register the anchors, follow the batch, fetch what came out."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus

from command_line.service_client import ServiceRefused
from event_contracts import (
    FINAL_STATES,
    AnchorRegistration,
    AssessmentState,
    BatchResultsView,
    BatchStatusView,
    ComparisonView,
    ExternalServiceError,
    InvalidRequest,
)

from batch_runner.assignment.contents import AnchorText, Assignment
from batch_runner.running.request import RequestEnvelope, RequestTexts
from batch_runner.wire.client import AssessmentClient

MIN_POLL_SECONDS = 0.25
MAX_POLL_SECONDS = 2.0
MAX_CONCURRENT_UPLOADS = 8
ACCEPTED_WITHIN_SECONDS = 300.0
"""How long a service may take to read a request that was published."""


async def upload(
    client: AssessmentClient, assignment: Assignment, *, stored: Mapping[str, str] | None = None
) -> RequestTexts:
    """Upload every text once and register the anchors; uploading twice changes nothing.

    ``stored`` are storage ids of texts that the service has already, by SHA-256.
    """
    texts = [essay.text for essay in assignment.essays]
    if assignment.student_prompt is not None:
        texts.append(assignment.student_prompt)
    ids = await _store_all(client, texts, dict(stored or {}))
    await register_anchors(client, assignment)
    return RequestTexts(
        essay_storage_ids=tuple(ids[: len(assignment.essays)]),
        prompt_storage_id=None if assignment.student_prompt is None else ids[-1],
    )


async def register_anchors(client: AssessmentClient, assignment: Assignment) -> None:
    """Register or replace every anchor of an assignment."""
    for registration in _anchors(assignment):
        await client.register_anchor(registration)


def stored_texts(assignment: Assignment, texts: RequestTexts) -> dict[str, str]:
    """The storage id of each text by its SHA-256, to be remembered."""
    stored = {
        sha256(essay.text): storage_id
        for essay, storage_id in zip(assignment.essays, texts.essay_storage_ids, strict=True)
    }
    if assignment.student_prompt is not None and texts.prompt_storage_id is not None:
        stored[sha256(assignment.student_prompt)] = texts.prompt_storage_id
    return stored


def sha256(text: str) -> str:
    """SHA-256 (hex) of a text as it is uploaded."""
    return hashlib.sha256(text.encode()).hexdigest()


def owner_of_anchors(assignment: Assignment) -> str:
    """The id of the assignment that its anchors are registered for; raises ``InvalidRequest`` without one."""
    if assignment.assignment_id is None:
        raise InvalidRequest("anchors are registered for an assignment: give it an assignment_id")
    return assignment.assignment_id


def _anchors(assignment: Assignment) -> Iterator[AnchorRegistration]:
    for anchor in assignment.anchors:
        yield AnchorRegistration(
            assignment_id=owner_of_anchors(assignment),
            grade=anchor.grade,
            essay_text=anchor.text,
            anchor_label=anchor.label,
            grade_scale=assignment.grade_scale,
        )


async def _store_all(client: AssessmentClient, texts: Sequence[str], stored: dict[str, str]) -> list[str]:
    slots = asyncio.Semaphore(MAX_CONCURRENT_UPLOADS)
    missing = {sha256(text): text for text in texts if sha256(text) not in stored}

    async def store(digest: str, text: str) -> None:
        async with slots:
            stored[digest] = await client.store_text(text)

    await asyncio.gather(*(store(digest, text) for digest, text in missing.items()))
    return [stored[sha256(text)] for text in texts]


async def until_accepted(client: AssessmentClient, batch_id: str, *, seconds: float) -> None:
    """Wait until the service knows the batch; raises ``ExternalServiceError`` where it does not within ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            while not await _is_known(client, batch_id):  # noqa: ASYNC110 - another process reads the request
                await asyncio.sleep(MIN_POLL_SECONDS)
    except TimeoutError:
        raise ExternalServiceError(
            f"the request was published, and the service has not accepted it after {seconds:.0f} s: does it read from"
            " the same Kafka, with the same --kafka-topic-prefix? Its /admin/v1/given-up lists requests that it"
            " could not read. The run can be resumed with --resume"
        ) from None


async def _is_known(client: AssessmentClient, batch_id: str) -> bool:
    try:
        await client.status(batch_id)
    except ServiceRefused as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return False
        raise
    return True


async def follow(client: AssessmentClient, batch_id: str) -> AsyncIterator[BatchStatusView]:
    """The batch's status, repeatedly until it is final; a batch that does not change is asked about less often."""
    previous, delay = None, MIN_POLL_SECONDS
    while True:
        status = await client.status(batch_id)
        yield status
        if status.state in FINAL_STATES:
            return
        delay = min(2 * delay, MAX_POLL_SECONDS) if status == previous else MIN_POLL_SECONDS
        previous = status
        await asyncio.sleep(delay)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A run that has ended: what was asked, how it ended, and its results if there are any."""

    assignment: Assignment
    request: RequestEnvelope
    status: BatchStatusView
    results: BatchResultsView | None
    comparisons: tuple[ComparisonView, ...]


async def collect(
    client: AssessmentClient, assignment: Assignment, request: RequestEnvelope, status: BatchStatusView
) -> FinishedRun:
    """Fetch the results and all comparisons of a batch that has ended."""
    done = status.state in (AssessmentState.COMPLETED, AssessmentState.COMPLETED_WITH_FAILURES)
    results = await client.results(status.batch_id) if done else None
    return FinishedRun(
        assignment=assignment,
        request=request,
        status=status,
        results=results,
        comparisons=tuple([row async for row in _all_comparisons(client, status.batch_id)]),
    )


async def with_registered_anchors(
    client: AssessmentClient, assignment: Assignment, comparisons: Sequence[ComparisonView]
) -> Assignment:
    """The assignment with those anchors that judged with it because they were registered before.

    A record holds every text that was judged.
    """
    known = {essay.essay_id for essay in assignment.essays} | {anchor.label for anchor in assignment.anchors}
    named = {name for each in comparisons for name in (each.essay_a_id, each.essay_b_id)}
    missing = named - known
    if not missing or assignment.assignment_id is None:
        return assignment
    registered = [
        anchor
        for anchor in (await client.anchors(assignment.assignment_id)).anchors
        if anchor.anchor_label in missing and anchor.grade_scale == assignment.grade_scale
    ]
    texts = [(await client.stored_text(anchor.text_storage_id)).decode() for anchor in registered]
    added = (
        AnchorText(label=anchor.anchor_label, grade=anchor.grade, text=text)
        for anchor, text in zip(registered, texts, strict=True)
    )
    return replace(assignment, anchors=(*assignment.anchors, *added))


async def _all_comparisons(client: AssessmentClient, batch_id: str) -> AsyncIterator[ComparisonView]:
    page = await client.comparisons(batch_id)
    while True:
        for row in page.items:
            yield row
        if page.next_cursor is None:
            return
        page = await client.comparisons(batch_id, cursor=page.next_cursor)
