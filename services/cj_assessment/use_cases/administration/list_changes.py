"""List what administrators have changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from cj_assessment.ports.administration import Administration, Change


@dataclass(frozen=True, kw_only=True)
class ListChanges:
    """Lists audited changes, the newest first."""

    administration: Administration

    async def __call__(self, *, before: int | None, limit: int) -> Sequence[Change]:
        """At most ``limit`` changes, older than the one numbered ``before``."""
        return await self.administration.changes(before=before, limit=limit)
