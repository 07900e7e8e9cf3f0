"""Prepare an accepted batch: gather its texts, its anchors and what the judges are told."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from event_contracts import (
    AssessmentState,
    ContentServiceError,
    ContentType,
    InvalidRequest,
    StopReason,
    SuiteError,
    grade_scale,
)

from cj_assessment.domain.announcing import consumption_event, failed_event
from cj_assessment.domain.batch import (
    Anchor,
    Batch,
    Essay,
    Fetched,
    Instruction,
    Judge,
    Preparation,
    TextRules,
    content_seed,
    nobody_to_judge,
    with_anchors,
    with_text,
)
from cj_assessment.domain.prompt import JudgeContext, default_instructions, longest_prompt
from cj_assessment.ports import ContentStore, JudgeCatalogue, Store, Wake

log = structlog.get_logger()

BATCHES_AT_ONCE = 8
LEASE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPatience:
    """How long a batch waits for a content service that does not answer."""

    longest: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class PrepareBatch:
    """One step of the preparing worker."""

    store: Store
    content: ContentStore
    judges: JudgeCatalogue
    rules: TextRules
    patience: ContentPatience
    wake_advance: Wake

    async def __call__(self) -> bool:
        """Prepare some batches; True when there were any. One whose texts are out of reach is tried again."""
        async with self.store.transaction() as transaction:
            batches = await transaction.take_accepted(limit=BATCHES_AT_ONCE, lease=LEASE)
        await asyncio.gather(*(self._prepare(batch) for batch in batches))
        return bool(batches)

    async def _prepare(self, batch: Batch) -> None:
        try:
            preparation = await self._gather(batch)
        except InvalidRequest as error:
            await self._fail(batch, error)
        except ContentServiceError as error:
            if self._is_patient(batch):
                log.warning("batch.content_awaited", batch_id=batch.batch_id, reason=str(error))
            else:
                await self._fail(batch, error)
        else:
            await self._start(batch, preparation)

    def _is_patient(self, batch: Batch) -> bool:
        now = datetime.now(UTC)
        return now < min(batch.received_at + self.patience.longest, batch.limits.deadline)

    async def _start(self, batch: Batch, preparation: Preparation) -> None:
        async with self.store.transaction() as transaction:
            locked = await transaction.lock_batch(batch.job_id)
            if locked is None or locked.state is not AssessmentState.ACCEPTED:
                return
            await transaction.start_judging(batch.job_id, preparation)
        self.wake_advance()
        log.info(
            "batch.prepared",
            batch_id=batch.batch_id,
            correlation_id=str(batch.correlation_id),
            essays=sum(not essay.is_anchor for essay in preparation.essays),
            anchors=sum(essay.is_anchor for essay in preparation.essays),
            unusable=sum(not essay.is_usable for essay in preparation.essays),
            signals=sum(bool(essay.signals) for essay in preparation.essays),
            grade_scale=preparation.grade_scale,
        )

    async def _gather(self, batch: Batch) -> Preparation:
        request = batch.request
        async with self.store.transaction() as transaction:
            essays = await transaction.essays(batch.job_id)
            instruction = await transaction.instruction(
                assignment_id=request.assignment_id, course_id=request.course_code
            )
            anchors = await transaction.anchors(request.assignment_id) if request.assignment_id else []
        scale, anchors = usable_anchors(instruction, anchors)
        everyone = with_anchors(essays, anchors)
        prompt_id = _student_prompt_id(batch, instruction)
        rubric_id = instruction.judge_rubric_storage_id if instruction else None
        fetched = await self._fetch(
            batch, [essay.text_storage_id for essay in everyone], prompt_id, rubric_id
        )
        essays = tuple(with_text(essay, fetched, rules=self.rules) for essay in everyone)
        problem = nobody_to_judge(essays)
        if problem is not None:
            raise problem
        context = JudgeContext(
            instructions=_instructions(batch, instruction),
            rubric=batch.overrides.judge_rubric_override or _text(fetched, rubric_id, "judge rubric"),
            student_prompt=_text(fetched, prompt_id, "student prompt"),
        )
        return Preparation(
            essays=essays,
            judges=self._capped(batch, context, essays),
            grade_scale=scale,
            context=context,
            seed=content_seed(essays),
        )

    async def _fetch(self, batch: Batch, essays: Sequence[str], *others: str | None) -> Fetched:
        fetched = await self.content.fetch([*essays, *(other for other in others if other)])
        if fetched.failures and self._is_patient(batch):
            reason = next(iter(fetched.failures.values()))
            raise ContentServiceError(f"{len(fetched.failures)} texts cannot be fetched now: {reason}")
        return fetched

    def _capped(self, batch: Batch, context: JudgeContext, essays: Sequence[Essay]) -> tuple[Judge, ...]:
        longest = longest_prompt(context, [essay.text for essay in essays if essay.text is not None])
        return tuple(
            self.judges.capped(judge, batch.overrides_for(judge), longest_prompt=longest)
            for judge in batch.judges
        )

    async def _fail(self, batch: Batch, error: SuiteError) -> None:
        async with self.store.transaction() as transaction:
            if await transaction.lock_batch(batch.job_id) is None:
                return
            failed = failed_event(batch, error, operation="prepare_batch")
            await transaction.end_batch(
                batch.job_id,
                state=AssessmentState.FAILED,
                stop_reason=StopReason.FAILED,
                result=None,
                error=failed.data.error_detail(),
            )
            await transaction.announce([failed], callback_url=batch.callback_url)
            await transaction.announce([consumption_event(batch, quantity=0, now=datetime.now(UTC))])
        log.warning("batch.failed", batch_id=batch.batch_id, error_code=error.code, reason=str(error))


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
    own = instruction.student_prompt_storage_id if instruction and batch.request.assignment_id else None
    reference = batch.request.student_prompt_ref
    return own or (reference.storage_id(ContentType.STUDENT_PROMPT_TEXT) if reference else None)


def _instructions(batch: Batch, instruction: Instruction | None) -> str:
    if batch.overrides.system_prompt_override:
        return batch.overrides.system_prompt_override
    return instruction.instructions_text if instruction else default_instructions(batch.request.language)


def _text(fetched: Fetched, storage_id: str | None, name: str) -> str | None:
    if storage_id is None:
        return None
    if storage_id in fetched.failures:
        raise ContentServiceError(f"the {name} cannot be fetched: {fetched.failures[storage_id]}")
    try:
        return fetched.bodies[storage_id].decode("utf-8")
    except KeyError:
        raise InvalidRequest(f"no content is stored under the {name}'s storage id {storage_id!r}") from None
    except UnicodeDecodeError:
        raise InvalidRequest(f"the {name} is not UTF-8 text") from None
