"""Prepare an accepted batch: gather its texts, its anchors and its judge instructions."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from event_contracts import (
    AssessmentState,
    ContentServiceError,
    ContentType,
    InvalidRequest,
    NotFound,
    SuiteError,
    Topic,
    grade_scale,
    text_sha256,
)

from cj_assessment.domain.assignments import Anchor, Instruction
from cj_assessment.domain.batch import (
    Batch,
    Essay,
    JobId,
    Preparation,
    TextRules,
    content_seed,
    nothing_to_judge,
    with_anchors,
    with_text,
)
from cj_assessment.domain.contents import Fetched
from cj_assessment.domain.large_results import max_reduced_bytes
from cj_assessment.domain.prompt import JudgeContext, default_instructions, longest_prompt
from cj_assessment.ports import (
    ContentStore,
    Due,
    JudgeCatalogue,
    MessageLimits,
    PromptWatcher,
    SetAsideReason,
    Store,
    Transaction,
    Wake,
)
from cj_assessment.use_cases.shared.content_waiting import CONTENT_RETRY_DELAY, ContentTimeout
from cj_assessment.use_cases.shared.ending import end_without_result, set_batch_aside

log = structlog.get_logger()

STEP = "prepare_batch"
LEASE = timedelta(seconds=30)
RESULT_TOPICS = (Topic.ASSESSMENT_RESULT_PUBLISHED, Topic.CJ_ASSESSMENT_COMPLETED)
ESSAYS_PER_CHUNK = 32
"""Texts of a batch that are in memory together: at most about 25 MB for each batch that is being prepared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What is kept of an essay once its text is stored: everything but the text."""

    essay: Essay
    digest: str | None
    size: int


@dataclass(frozen=True, kw_only=True)
class PrepareBatch:
    """The work of the preparing worker, whose items are batches.

    Texts are fetched, cleaned and stored in chunks, so that the memory in use does not grow with the batch.
    """

    store: Store
    content: ContentStore
    judges: JudgeCatalogue
    rules: TextRules
    content_timeout: ContentTimeout
    watcher: PromptWatcher
    limits: MessageLimits
    wake_advance: Wake

    async def take(self, limit: int) -> Due[JobId]:
        """Accepted batches; another replica sees them again after the lease."""
        async with self.store.transaction() as transaction:
            return await transaction.batches.take_accepted(limit=limit, lease=LEASE)

    async def handle(self, job_id: JobId) -> None:
        """Prepare one batch; one whose texts are out of reach is tried again later."""
        async with self._leased(job_id):
            async with self.store.transaction() as transaction:
                batch = await transaction.batches.read(job_id)
                essays = await transaction.essays.requested(job_id)
            await self._prepare(batch, essays)

    async def set_aside(self, job_id: JobId, reason: SetAsideReason) -> None:
        """End a batch that cannot be prepared."""
        await set_batch_aside(self.store, job_id, step=STEP, reason=reason)

    @asynccontextmanager
    async def _leased(self, job_id: JobId) -> AsyncIterator[None]:
        """Release the lease on failure so that the retry delay applies."""
        is_done = False
        try:
            yield
            is_done = True
        finally:
            if not is_done:
                async with self.store.transaction() as transaction:
                    await transaction.batches.check_after(job_id, timedelta(0))

    async def _prepare(self, batch: Batch, requested: Sequence[Essay]) -> None:
        try:
            await self._gather(batch, requested)
        except InvalidRequest as error:
            await self._fail(batch, error)
        except ContentServiceError as error:
            if self._may_wait_for_content(batch):
                await self._wait_for_content(batch, error)
            else:
                await self._fail(batch, error)

    def _may_wait_for_content(self, batch: Batch) -> bool:
        now = datetime.now(UTC)
        return now < min(batch.received_at + self.content_timeout.max_wait, batch.limits.deadline)

    async def _gather(self, batch: Batch, requested: Sequence[Essay]) -> None:
        async with self.store.transaction() as transaction:
            instruction = await transaction.anchors.instruction(
                assignment_id=batch.assignment_id, course_id=batch.course_code
            )
            registered: Sequence[Anchor] = ()
            if batch.assignment_id is not None:
                registered = await transaction.anchors.for_assignment(batch.assignment_id)
        scale, anchors = usable_anchors(instruction, registered)
        essays = with_anchors(tuple(requested), anchors)
        context = await self._context(batch, instruction)
        read: list[_Read] = []
        for chunk in _chunks(essays):
            stored = await self._store_chunk(batch, chunk)
            if stored is None:
                return
            read += stored
        await self._start(batch, context, scale, read)

    async def _context(self, batch: Batch, instruction: Instruction | None) -> JudgeContext:
        prompt_id = _student_prompt_id(batch, instruction)
        rubric_id = instruction.judge_rubric_storage_id if instruction else None
        try:
            fetched = await self._fetch(batch, [text_id for text_id in (prompt_id, rubric_id) if text_id])
            return JudgeContext(
                instructions=_instructions(batch, instruction),
                rubric=batch.overrides.judge_rubric_override or _text(fetched, rubric_id, "judge rubric"),
                student_prompt=_text(fetched, prompt_id, "student prompt"),
            )
        except (ContentServiceError, InvalidRequest) as error:
            self.watcher.prompt_unavailable(error.code)
            raise

    async def _fetch(self, batch: Batch, storage_ids: Sequence[str]) -> Fetched:
        fetched = await self.content.fetch(storage_ids, max_bytes=self.rules.max_bytes)
        if fetched.failures and self._may_wait_for_content(batch):
            reason = next(iter(fetched.failures.values()))
            raise ContentServiceError(f"{len(fetched.failures)} texts cannot be fetched now: {reason}")
        return fetched

    async def _store_chunk(self, batch: Batch, chunk: Sequence[Essay]) -> list[_Read] | None:
        """Fetch, clean and store the texts of some essays; None if the batch is no longer to be prepared."""
        fetched = await self._fetch(batch, [essay.text_storage_id for essay in chunk])
        essays = await asyncio.to_thread(self._cleaned, chunk, fetched)
        async with self.store.transaction() as transaction:
            if not await _still_accepted(transaction, batch.job_id):
                return None
            await transaction.batches.check_after(batch.job_id, LEASE)
            await transaction.essays.put(batch.job_id, essays)
        return [_without_text(essay) for essay in essays]

    def _cleaned(self, chunk: Sequence[Essay], fetched: Fetched) -> list[Essay]:
        return [with_text(essay, fetched, rules=self.rules) for essay in chunk]

    async def _start(
        self, batch: Batch, context: JudgeContext, scale: str | None, read: Sequence[_Read]
    ) -> None:
        problem = nothing_to_judge([one.essay for one in read])
        if problem is not None:
            raise problem
        await self._check_size([one.essay for one in read])
        longest = longest_prompt(context, [one.size for one in read])
        preparation = Preparation(
            judges=tuple(
                self.judges.with_max_cost(judge, batch.overrides_for(judge), longest_prompt=longest)
                for judge in batch.judges
            ),
            grade_scale=scale,
            context=context,
            seed=content_seed([one.digest for one in read if one.digest is not None]),
        )
        async with self.store.transaction() as transaction:
            if not await _still_accepted(transaction, batch.job_id):
                return
            await transaction.essays.delete_from_index(batch.job_id, len(read))
            await transaction.batches.start_judging(batch.job_id, preparation)
            await transaction.batches.clear_problem([batch.job_id])
        self.wake_advance()
        log.info(
            "batch.prepared",
            batch_id=batch.batch_id,
            correlation_id=str(batch.correlation_id),
            essays=sum(not one.essay.is_anchor for one in read),
            anchors=sum(one.essay.is_anchor for one in read),
            unusable=sum(not one.essay.is_usable for one in read),
            signals=sum(bool(one.essay.signals) for one in read),
            grade_scale=scale,
        )

    async def _check_size(self, essays: Sequence[Essay]) -> None:
        """Raise ``InvalidRequest`` for a batch whose result could not leave: before anything is paid for."""
        anchors = sum(essay.is_anchor for essay in essays)
        needed = max_reduced_bytes([essay.essay_id for essay in essays], anchors=anchors)
        limits = [await self.limits.max_message_bytes(topic) for topic in RESULT_TOPICS]
        if needed > min(limits):
            raise InvalidRequest(
                f"the result of {len(essays)} essays with ids of this length may take {needed} bytes, and messages"
                f" have {min(limits)} at most: use shorter essay ids or smaller batches; or have an operator raise"
                f" max.message.bytes of the topics {' and '.join(RESULT_TOPICS)}"
            )

    async def _wait_for_content(self, batch: Batch, error: ContentServiceError) -> None:
        async with self.store.transaction() as transaction:
            await transaction.batches.check_after(batch.job_id, CONTENT_RETRY_DELAY)
            await transaction.batches.report_problem([batch.job_id], code=error.code, message=error.message)
        log.warning("batch.waiting_for_content", batch_id=batch.batch_id, reason=error.message)

    async def _fail(self, batch: Batch, error: SuiteError) -> None:
        async with self.store.transaction() as transaction:
            locked = await transaction.batches.lock(batch.job_id)
            if locked is not None:
                await end_without_result(transaction, locked, error, operation=STEP)


async def _still_accepted(transaction: Transaction, job_id: JobId) -> bool:
    locked = await transaction.batches.lock(job_id)
    return locked is not None and locked.state is AssessmentState.ACCEPTED and locked.cancelled_at is None


def _chunks(essays: Sequence[Essay]) -> Iterator[Sequence[Essay]]:
    for first in range(0, len(essays), ESSAYS_PER_CHUNK):
        yield essays[first : first + ESSAYS_PER_CHUNK]


def _without_text(essay: Essay) -> _Read:
    if essay.text is None:
        return _Read(essay=essay, digest=None, size=0)
    return _Read(
        essay=replace(essay, text=None), digest=text_sha256(essay.text), size=len(essay.text.encode())
    )


def usable_anchors(
    instruction: Instruction | None, anchors: Sequence[Anchor]
) -> tuple[str | None, Sequence[Anchor]]:
    """The batch's grade scale, and the anchors on it.

    The assignment's own instruction names the scale; else the anchors do, when they are all on one; else the
    course's instruction. Raises ``InvalidRequest`` when the scale is unknown, or when nothing says which of several
    is meant.
    """
    scales = sorted({anchor.grade_scale for anchor in anchors})
    if instruction is not None and (instruction.assignment_id is not None or not scales):
        scale = grade_scale(instruction.grade_scale).id
    elif not scales:
        return None, ()
    elif len(scales) > 1:
        raise InvalidRequest(
            f"the assignment has anchors on several scales ({', '.join(scales)}) and no instruction that"
            " names one: add an instruction for the assignment"
        )
    else:
        scale = grade_scale(scales[0]).id
    return scale, [anchor for anchor in anchors if anchor.grade_scale == scale]


def _student_prompt_id(batch: Batch, instruction: Instruction | None) -> str | None:
    """The assignment's own task; where it names none, and for guests, the one that came with the request."""
    own = instruction.student_prompt_storage_id if instruction and batch.assignment_id else None
    reference = batch.request.student_prompt_ref
    return own or (reference.storage_id(ContentType.STUDENT_PROMPT_TEXT) if reference else None)


def _instructions(batch: Batch, instruction: Instruction | None) -> str:
    if batch.overrides.system_prompt_override:
        return batch.overrides.system_prompt_override
    return instruction.instructions_text if instruction else default_instructions(batch.request.language)


def _text(fetched: Fetched, storage_id: str | None, name: str) -> str | None:
    if storage_id is None:
        return None
    try:
        return fetched.text_of(storage_id, name=name)
    except NotFound as error:
        raise InvalidRequest(error.message) from None
