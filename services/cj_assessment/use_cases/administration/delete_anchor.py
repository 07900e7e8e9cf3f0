"""Delete an anchor; batches that have begun keep it."""

from dataclasses import dataclass

from event_contracts import MAX_INTEGER, NotFound

from cj_assessment.ports.administration import Administration


@dataclass(frozen=True, kw_only=True)
class DeleteAnchor:
    """Deletes an anchor; its text stays where texts are kept."""

    administration: Administration

    async def __call__(self, number: int, /, *, by: str) -> None:
        """``by`` is who deletes, for the audit. Raises ``NotFound`` for a number that no anchor has."""
        can_exist = number <= MAX_INTEGER
        if not can_exist or await self.administration.delete_anchor(number, by=by) is None:
            raise NotFound(
                f"there is no anchor {number}: see GET /admin/v1/anchors/assignment/<assignment_id>"
            )
