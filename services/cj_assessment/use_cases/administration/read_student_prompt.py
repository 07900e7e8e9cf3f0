"""Read the student prompt of an assignment."""

from dataclasses import dataclass

from cj_assessment.domain.assignments import AssignmentText
from cj_assessment.ports import ContentStore
from cj_assessment.ports.administration import Administration, Owner
from cj_assessment.use_cases.shared.assignments import existing_instructions, read_text


@dataclass(frozen=True, kw_only=True)
class ReadStudentPrompt:
    """Reads the prompt that the assignment's instructions name."""

    administration: Administration
    content: ContentStore

    async def __call__(self, assignment_id: str, /) -> AssignmentText:
        """Raises ``NotFound`` without instructions or prompt, and as ``Fetched.text_of`` does."""
        found = await existing_instructions(self.administration, Owner(assignment_id=assignment_id))
        return await read_text(
            self.content, found, assignment_id, found.student_prompt_storage_id, name="student prompt"
        )
