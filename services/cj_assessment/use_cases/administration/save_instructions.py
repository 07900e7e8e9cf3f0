"""Store or replace the instructions of an assignment or a course."""

from dataclasses import dataclass

from event_contracts import InstructionUpsert, grade_scale

from cj_assessment.domain.assignments import Instruction, StoredInstruction
from cj_assessment.ports.administration import Administration


@dataclass(frozen=True, kw_only=True)
class SaveInstructions:
    """The latest instructions take the place of those before; texts that are named keep their names."""

    administration: Administration

    async def __call__(self, upsert: InstructionUpsert, /, *, by: str) -> StoredInstruction:
        """``by`` is who saves, for the audit.

        Raises ``InvalidRequest`` for an unknown scale, and ``Conflict`` where anchors lock scale or origin.
        """
        instruction = Instruction(
            assignment_id=upsert.assignment_id,
            course_id=upsert.course_id,
            instructions_text=upsert.instructions_text,
            grade_scale=grade_scale(upsert.grade_scale).id,
            context_origin=upsert.context_origin,
            student_prompt_storage_id=upsert.student_prompt_storage_id,
        )
        return await self.administration.save(instruction, by=by)
