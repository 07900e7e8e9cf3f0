"""List the anchors of an assignment."""

from dataclasses import dataclass

from cj_assessment.domain.assignments import StoredAnchor
from cj_assessment.ports import Store


@dataclass(frozen=True, kw_only=True)
class ListAnchors:
    """Lists the anchors of an assignment."""

    store: Store

    async def __call__(self, assignment_id: str) -> tuple[StoredAnchor, ...]:
        """All anchors by label; there may be none."""
        async with self.store.transaction() as transaction:
            return tuple(await transaction.anchors.for_assignment(assignment_id))
