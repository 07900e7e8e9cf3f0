"""Delete the instructions of an assignment or a course."""

from dataclasses import dataclass

from event_contracts import NotFound

from cj_assessment.ports.administration import Administration, Owner


@dataclass(frozen=True, kw_only=True)
class DeleteInstructions:
    """Deletes an owner's instructions; the anchors of an assignment stay."""

    administration: Administration

    async def __call__(self, owner: Owner, /, *, by: str) -> None:
        """``by`` is who deletes, for the audit. Raises ``NotFound`` where the owner has none."""
        if not await self.administration.delete(owner, by=by):
            raise NotFound(
                f"no instructions exist for {owner.subject}: see GET /admin/v1/assessment-instructions"
            )
