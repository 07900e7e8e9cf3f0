"""The instructions of an assignment, which its prompt and its rubric belong to."""

from event_contracts import NotFound

from cj_assessment.domain.assignments import AssignmentText, StoredInstruction
from cj_assessment.domain.contents import MAX_CONTENT_BYTES
from cj_assessment.ports import ContentStore
from cj_assessment.ports.administration import Administration, Owner


async def existing_instructions(administration: Administration, owner: Owner) -> StoredInstruction:
    """The owner's own instructions; raises ``NotFound`` where there are none."""
    found = await administration.find(owner)
    if found is None:
        raise NotFound(
            f"no instructions exist for {owner.subject}: create them with POST /admin/v1/assessment-instructions"
        )
    return found


def instructions_gone(assignment_id: str) -> NotFound:
    """The error of an assignment whose instructions were deleted while something was added to them."""
    return NotFound(f"assignment {assignment_id} no longer has instructions: create them again")


async def read_text(
    content: ContentStore,
    instruction: StoredInstruction,
    assignment_id: str,
    storage_id: str | None,
    *,
    name: str,
) -> AssignmentText:
    """A text that an assignment's instructions name; raises ``NotFound``, and as ``Fetched.text_of`` does."""
    if storage_id is None:
        raise NotFound(f"the assignment has no {name}: upload one first")
    fetched = await content.fetch([storage_id], max_bytes=MAX_CONTENT_BYTES)
    return AssignmentText(
        assignment_id=assignment_id,
        storage_id=storage_id,
        text=fetched.text_of(storage_id, name=name),
        instruction=instruction,
    )
