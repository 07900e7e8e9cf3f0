"""List the instructions of all assignments and courses."""

from collections.abc import Sequence
from dataclasses import dataclass

from cj_assessment.domain.assignments import StoredInstruction
from cj_assessment.ports.administration import Administration


@dataclass(frozen=True, kw_only=True)
class ListInstructions:
    """Lists instructions, in the order in which they were first saved."""

    administration: Administration

    async def __call__(
        self, *, page: int, page_size: int, grade_scale: str | None
    ) -> tuple[Sequence[StoredInstruction], int]:
        """One page by number, from 1, and how many instructions there are."""
        return await self.administration.page(page=page, page_size=page_size, grade_scale=grade_scale)
