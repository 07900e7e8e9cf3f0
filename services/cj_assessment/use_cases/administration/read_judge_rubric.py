"""Read the judge rubric of an assignment."""

from dataclasses import dataclass

from cj_assessment.domain.assignments import AssignmentText
from cj_assessment.ports import ContentStore
from cj_assessment.ports.administration import Administration, Owner
from cj_assessment.use_cases.shared.assignments import existing_instructions, read_text


@dataclass(frozen=True, kw_only=True)
class ReadJudgeRubric:
    """Reads the rubric that the assignment's instructions name."""

    administration: Administration
    content: ContentStore

    async def __call__(self, assignment_id: str, /) -> AssignmentText:
        """Raises ``NotFound`` without instructions or rubric, and as ``Fetched.text_of`` does."""
        found = await existing_instructions(self.administration, Owner(assignment_id=assignment_id))
        return await read_text(
            self.content, found, assignment_id, found.judge_rubric_storage_id, name="judge rubric"
        )
