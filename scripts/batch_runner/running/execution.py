"""A run: upload the texts, register the anchors, start the assessment, follow it to its end."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

from event_contracts import (
    FINAL_STATES,
    AnchorRegistration,
    AssessmentState,
    BatchResultsView,
    BatchStatusView,
    ComparisonView,
    ContentType,
    ELS_CJAssessmentRequestV1,
    EssayProcessingInputRefV1,
    EventEnvelope,
    EventName,
    InvalidRequest,
    JsonObject,
    LLMConfigOverrides,
    PanelJudge,
    SourceService,
    StorageReferenceMetadata,
    StoredText,
    SystemProcessingMetadata,
)
from pydantic import ValidationError

from batch_runner.assignment.contents import Assignment
from batch_runner.wire.client import AssessmentClient

MIN_POLL_SECONDS = 0.25
MAX_POLL_SECONDS = 2.0
MAX_CONCURRENT_UPLOADS = 8

RequestEnvelope = EventEnvelope[ELS_CJAssessmentRequestV1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of a run; None is the service's default."""

    batch_id: str
    provider: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_comparisons: int | None = None
    max_cost_usd: Decimal | None = None
    target_reliability: float | None = None
    panel: tuple[PanelJudge, ...] = ()
    user_id: str = "batch-runner"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTexts:
    """Where the texts of a request are stored, in the order of the assignment's essays."""

    essay_storage_ids: tuple[str, ...]
    prompt_storage_id: str | None


async def upload(client: AssessmentClient, assignment: Assignment) -> RequestTexts:
    """Upload every text and register the anchors; uploading twice changes nothing."""
    ids = await _store_all(client, [essay.text for essay in assignment.essays])
    prompt = None
    if assignment.student_prompt is not None:
        prompt = await client.store_text(assignment.student_prompt)
    for registration in _anchors(assignment):
        await client.register_anchor(registration)
    return RequestTexts(essay_storage_ids=tuple(ids), prompt_storage_id=prompt)


def _anchors(assignment: Assignment) -> Iterator[AnchorRegistration]:
    for anchor in assignment.anchors:
        assert assignment.assignment_id is not None, "anchors stand in an assignment.toml, which has an id"
        yield AnchorRegistration(
            assignment_id=assignment.assignment_id,
            grade=anchor.grade,
            essay_text=anchor.text,
            anchor_label=anchor.label,
            grade_scale=assignment.grade_scale,
        )


async def _store_all(client: AssessmentClient, texts: Sequence[str]) -> list[str]:
    slots = asyncio.Semaphore(MAX_CONCURRENT_UPLOADS)

    async def store(text: str) -> str:
        async with slots:
            return await client.store_text(text)

    return list(await asyncio.gather(*(store(text) for text in texts)))


def assessment_request(assignment: Assignment, texts: RequestTexts, options: RunOptions) -> RequestEnvelope:
    """The event that starts the assessment; raises ``InvalidRequest`` for what the contract refuses."""
    try:
        data = _event(assignment, texts, options)
    except ValidationError as error:
        raise InvalidRequest.of(error) from error
    return EventEnvelope.wrap(
        data, source_service=SourceService.BATCH_RUNNER, correlation_id=uuid4(), metadata=_hints(options)
    )


def _event(assignment: Assignment, texts: RequestTexts, options: RunOptions) -> ELS_CJAssessmentRequestV1:
    now = datetime.now(UTC)
    return ELS_CJAssessmentRequestV1(
        event_name=EventName.CJ_ASSESSMENT_REQUESTED,
        entity_id=options.batch_id,
        entity_type="batch",
        timestamp=now,
        system_metadata=SystemProcessingMetadata(
            entity_id=options.batch_id, entity_type="batch", timestamp=now
        ),
        essays_for_cj=tuple(
            EssayProcessingInputRefV1(essay_id=essay.essay_id, text_storage_id=storage_id)
            for essay, storage_id in zip(assignment.essays, texts.essay_storage_ids, strict=True)
        ),
        language=assignment.language,
        course_code=assignment.course_code,
        student_prompt_ref=_prompt_reference(texts),
        llm_config_overrides=_overrides(assignment, options),
        assignment_id=assignment.assignment_id,
        user_id=options.user_id,
    )


def _prompt_reference(texts: RequestTexts) -> StorageReferenceMetadata | None:
    if texts.prompt_storage_id is None:
        return None
    stored = StoredText(storage_id=texts.prompt_storage_id)
    return StorageReferenceMetadata(references={ContentType.STUDENT_PROMPT_TEXT: stored})


def _overrides(assignment: Assignment, options: RunOptions) -> LLMConfigOverrides:
    return LLMConfigOverrides(
        provider_override=options.provider,
        model_override=options.model,
        temperature_override=options.temperature,
        system_prompt_override=assignment.instructions,
        judge_rubric_override=assignment.rubric,
    )


def _hints(options: RunOptions) -> JsonObject | None:
    hints: JsonObject = {}
    if options.max_comparisons is not None:
        hints["max_comparisons"] = options.max_comparisons
    if options.max_cost_usd is not None:
        hints["max_cost_usd"] = float(options.max_cost_usd)
    if options.target_reliability is not None:
        hints["target_reliability"] = options.target_reliability
    if options.panel:
        hints["judge_panel"] = [judge.model_dump(mode="json") for judge in options.panel]
    return hints or None


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


async def _all_comparisons(client: AssessmentClient, batch_id: str) -> AsyncIterator[ComparisonView]:
    page = await client.comparisons(batch_id)
    while True:
        for row in page.items:
            yield row
        if page.next_cursor is None:
            return
        page = await client.comparisons(batch_id, cursor=page.next_cursor)
