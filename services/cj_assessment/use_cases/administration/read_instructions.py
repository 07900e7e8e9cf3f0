"""Read the instructions of an assignment or a course."""

from dataclasses import dataclass

from cj_assessment.domain.assignments import StoredInstruction
from cj_assessment.ports.administration import Administration, Owner
from cj_assessment.use_cases.shared.assignments import existing_instructions


@dataclass(frozen=True, kw_only=True)
class ReadInstructions:
    """Reads an owner's own instructions."""

    administration: Administration

    async def __call__(self, owner: Owner, /) -> StoredInstruction:
        """Raises ``NotFound`` where the owner has none."""
        return await existing_instructions(self.administration, owner)
