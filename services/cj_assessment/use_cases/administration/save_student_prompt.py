"""Store the student prompt of an assignment that has instructions."""

from dataclasses import dataclass

from event_contracts import StudentPromptUpload

from cj_assessment.domain.assignments import AssignmentText
from cj_assessment.ports import ContentStore
from cj_assessment.ports.administration import Administration, Owner
from cj_assessment.use_cases.shared.assignments import existing_instructions, instructions_gone


@dataclass(frozen=True, kw_only=True)
class SaveStudentPrompt:
    """Keeps the text where all texts are, and names it in the assignment's instructions."""

    administration: Administration
    content: ContentStore

    async def __call__(self, upload: StudentPromptUpload, /, *, by: str) -> AssignmentText:
        """``by`` is who saves, for the audit.

        Raises ``NotFound`` where the assignment has no instructions, and ``ContentServiceError``.
        """
        assignment_id = upload.assignment_id
        await existing_instructions(self.administration, Owner(assignment_id=assignment_id))
        storage_id = await self.content.store(upload.prompt_text.encode())
        saved = await self.administration.set_student_prompt(assignment_id, storage_id, by=by)
        if saved is None:
            raise instructions_gone(assignment_id)
        return AssignmentText(
            assignment_id=assignment_id, storage_id=storage_id, text=upload.prompt_text, instruction=saved
        )
