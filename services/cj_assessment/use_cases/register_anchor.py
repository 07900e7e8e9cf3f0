"""Register an essay with a known grade as an anchor of an assignment."""

import hashlib
from dataclasses import dataclass

from event_contracts import AnchorRegistration, InvalidRequest, grade_scale

from cj_assessment.domain.batch import Anchor
from cj_assessment.ports import Store


@dataclass(frozen=True, kw_only=True)
class RegisterAnchor:
    """Registers or replaces the anchor of a label; batches that are being judged keep what they have."""

    store: Store

    async def __call__(self, registration: AnchorRegistration) -> Anchor:
        """Raises ``InvalidRequest`` for an unknown scale, or a grade that the scale does not have."""
        body = registration.essay_text.encode()
        storage_id = hashlib.sha256(body).hexdigest()
        async with self.store.transaction() as transaction:
            instruction = await transaction.anchors.instruction(
                assignment_id=registration.assignment_id, course_id=""
            )
            named = registration.grade_scale or (instruction.grade_scale if instruction else None)
            if named is None:
                raise InvalidRequest("the assignment has no instruction that names a scale: send grade_scale")
            scale = grade_scale(named)
            scale.index(registration.grade)
            await transaction.contents.put(storage_id=storage_id, body=body)
            anchor = Anchor(
                label=registration.anchor_label,
                grade=registration.grade,
                grade_scale=scale.id,
                text_storage_id=storage_id,
            )
            await transaction.anchors.put(anchor, assignment_id=registration.assignment_id)
            registered = await transaction.anchors.of_assignment(registration.assignment_id)
        return next(
            found for found in registered if (found.label, found.grade_scale) == (anchor.label, scale.id)
        )


@dataclass(frozen=True, kw_only=True)
class ListAnchors:
    """Lists the anchors of an assignment."""

    store: Store

    async def __call__(self, assignment_id: str) -> tuple[Anchor, ...]:
        """All anchors by label; none is no error."""
        async with self.store.transaction() as transaction:
            return tuple(await transaction.anchors.of_assignment(assignment_id))
