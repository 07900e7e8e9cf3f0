"""Register an essay with a known grade as an anchor of an assignment."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from event_contracts import AnchorRegistration, GradeScale, InvalidRequest, grade_scale

from cj_assessment.domain.assignments import Anchor, Instruction, StoredAnchor, anchor_details
from cj_assessment.ports import ContentStore, Store, Transaction
from cj_assessment.ports.administration import AdminChange, Owner


@dataclass(frozen=True, kw_only=True)
class RegisterAnchor:
    """Registers or replaces an anchor; batches that are being judged keep what they have.

    The text is kept where all texts are. The same text twice on a scale is one anchor.
    """

    store: Store
    content: ContentStore

    async def __call__(self, registration: AnchorRegistration, *, by: str) -> StoredAnchor:
        """``by`` is who registers, for the audit.

        Raises ``InvalidRequest`` for an unknown scale, or a grade that the scale does not have.
        """
        async with self.store.transaction() as transaction:
            await _scale(transaction, registration)
        storage_id = await self.content.store(registration.essay_text.encode())
        async with self.store.transaction() as transaction:
            scale = await _scale(transaction, registration)
            known = [
                anchor
                for anchor in await transaction.anchors.for_assignment(registration.assignment_id)
                if anchor.grade_scale == scale.id
            ]
            same = next((anchor for anchor in known if anchor.text_storage_id == storage_id), None)
            label = registration.anchor_label
            if label is None:
                is_same_grade = same is not None and same.grade == registration.grade
                label = same.label if same and is_same_grade else _free_label(registration.grade, known)
            if same is not None and same.label != label:
                await transaction.anchors.remove(same.number)
            anchor = Anchor(
                label=label, grade=registration.grade, grade_scale=scale.id, text_storage_id=storage_id
            )
            number = await transaction.anchors.put(anchor, assignment_id=registration.assignment_id)
            replaced = same or next((one for one in known if one.label == label), None)
            await transaction.anchors.audit(
                AdminChange(
                    by=by,
                    operation="anchors.register",
                    subject=Owner(assignment_id=registration.assignment_id).subject,
                    before=None if replaced is None else anchor_details(replaced.number, replaced),
                    after=anchor_details(number, anchor),
                )
            )
            registered = await transaction.anchors.for_assignment(registration.assignment_id)
        return next(found for found in registered if (found.label, found.grade_scale) == (label, scale.id))


async def _scale(transaction: Transaction, registration: AnchorRegistration) -> GradeScale:
    instruction = await transaction.anchors.instruction(
        assignment_id=registration.assignment_id, course_id=None
    )
    scale = _named_scale(registration.grade_scale, instruction)
    scale.index(registration.grade)
    return scale


def _named_scale(given: str | None, instruction: Instruction | None) -> GradeScale:
    """The assignment's own; before it has instructions, the one that is given."""
    if instruction is None and given is None:
        raise InvalidRequest("the assignment has no instruction that names a scale: send grade_scale")
    scale = grade_scale(given or (instruction.grade_scale if instruction else ""))
    if instruction is not None and instruction.grade_scale != scale.id:
        raise InvalidRequest(f"the assignment is graded on {instruction.grade_scale}, not on {scale.id}")
    return scale


def _free_label(grade: str, known: Sequence[Anchor]) -> str:
    taken = {anchor.label for anchor in known}
    return next(label for number in count(1) if (label := f"{grade}{number}") not in taken)
