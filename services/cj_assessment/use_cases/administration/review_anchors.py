"""Review the anchors of an assignment: those on its scale, and those that no batch can use."""

from dataclasses import dataclass

from cj_assessment.domain.assignments import ReviewedAnchors
from cj_assessment.ports import Store


@dataclass(frozen=True, kw_only=True)
class ReviewAnchors:
    """Shows which anchors batches of an assignment would use."""

    store: Store

    async def __call__(self, assignment_id: str, /) -> ReviewedAnchors:
        """All anchors by label; there may be none."""
        async with self.store.transaction() as transaction:
            every = tuple(await transaction.anchors.for_assignment(assignment_id))
            instruction = await transaction.anchors.instruction(assignment_id=assignment_id, course_id=None)
        used = (one for one in every if instruction is None or one.grade_scale == instruction.grade_scale)
        return ReviewedAnchors(used=tuple(used), every=every)
