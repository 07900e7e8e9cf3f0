"""Prepare an accepted batch: gather its texts, its anchors and what the judges are told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from event_contracts import AssessmentState, ContentType, InvalidRequest, StopReason, grade_scale

from cj_assessment.domain.announcing import failed_event
from cj_assessment.domain.batch import (
    Anchor,
    Batch,
    Essay,
    Instruction,
    Preparation,
    TextRules,
    too_few_essays,
    with_text,
)
from cj_assessment.domain.prompt import default_instructions
from cj_assessment.ports import ContentStore, Store, Wake

log = structlog.get_logger()

BATCHES_AT_ONCE = 8
LEASE = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class PrepareBatch:
    """One step of the preparing worker."""

    store: Store
    content: ContentStore
    rules: TextRules
    wake_advance: Wake

    async def __call__(self) -> bool:
        """Prepare some batches; True when there were any.

        Raises ``ContentServiceError`` when texts cannot be fetched now: the batch is taken up again later.
        """
        async with self.store.transaction() as transaction:
            batches = await transaction.take_accepted(limit=BATCHES_AT_ONCE, lease=LEASE)
        for batch in batches:
            await self._prepare(batch)
        return bool(batches)

    async def _prepare(self, batch: Batch) -> None:
        try:
            preparation = await self._gather(batch)
        except InvalidRequest as error:
            await self._fail(batch, error)
            return
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
        everyone = (*essays, *anchor_essays(anchors, after=essays))
        prompt_id = _student_prompt_id(batch, instruction)
        rubric_id = instruction.judge_rubric_storage_id if instruction else None
        bodies = await self._texts(everyone, prompt_id, rubric_id)
        essays = tuple(
            with_text(essay, bodies.get(essay.text_storage_id), rules=self.rules) for essay in everyone
        )
        problem = too_few_essays(essays)
        if problem is not None:
            raise problem
        return Preparation(
            essays=essays,
            grade_scale=scale,
            instructions=_instructions(batch, instruction),
            rubric=batch.overrides.judge_rubric_override or _text(bodies, rubric_id, "judge rubric"),
            student_prompt=_text(bodies, prompt_id, "student prompt"),
        )

    async def _texts(self, essays: Sequence[Essay], *others: str | None) -> Mapping[str, bytes]:
        wanted = [essay.text_storage_id for essay in essays] + [other for other in others if other]
        return await self.content.fetch(wanted)

    async def _fail(self, batch: Batch, error: InvalidRequest) -> None:
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
        log.warning("batch.failed", batch_id=batch.batch_id, error_code=error.code, reason=str(error))


def usable_anchors(
    instruction: Instruction | None, anchors: Sequence[Anchor]
) -> tuple[str | None, Sequence[Anchor]]:
    """The batch's grade scale and the anchors on it: the instruction's scale, else the anchors' only one.

    Raises ``InvalidRequest`` when the scale is unknown, or when nothing says which of several is meant.
    """
    scales = sorted({anchor.grade_scale for anchor in anchors})
    if instruction is not None:
        scale: str | None = grade_scale(instruction.grade_scale).id
    elif len(scales) > 1:
        raise InvalidRequest(
            f"the assignment has anchors on several scales ({', '.join(scales)}) and no instruction that"
            " names one: add an instruction for the assignment"
        )
    else:
        scale = grade_scale(scales[0]).id if scales else None
    return scale, [anchor for anchor in anchors if anchor.grade_scale == scale]


def anchor_essays(anchors: Sequence[Anchor], *, after: Sequence[Essay]) -> list[Essay]:
    """The anchors as essays of the batch; raises ``InvalidRequest`` when an essay has an anchor's name."""
    taken = {essay.essay_id for essay in after} & {anchor.label for anchor in anchors}
    if taken:
        raise InvalidRequest(
            f"essays have the same id as anchors of the assignment: {', '.join(sorted(taken))}; rename them"
        )
    return [
        Essay(
            item=len(after) + place,
            essay_id=anchor.label,
            text_storage_id=anchor.text_storage_id,
            anchor_grade=anchor.grade,
        )
        for place, anchor in enumerate(anchors)
    ]


def _student_prompt_id(batch: Batch, instruction: Instruction | None) -> str | None:
    reference = batch.request.student_prompt_ref
    sent = reference.storage_id(ContentType.STUDENT_PROMPT_TEXT) if reference else None
    return sent or (instruction.student_prompt_storage_id if instruction else None)


def _instructions(batch: Batch, instruction: Instruction | None) -> str:
    if batch.overrides.system_prompt_override:
        return batch.overrides.system_prompt_override
    return instruction.instructions_text if instruction else default_instructions(batch.request.language)


def _text(bodies: Mapping[str, bytes], storage_id: str | None, name: str) -> str | None:
    if storage_id is None:
        return None
    try:
        return bodies[storage_id].decode("utf-8")
    except KeyError:
        raise InvalidRequest(f"no content is stored under the {name}'s storage id {storage_id!r}") from None
    except UnicodeDecodeError:
        raise InvalidRequest(f"the {name} is not UTF-8 text") from None
