"""Give up waiting for answers that are overdue."""

from dataclasses import dataclass

import structlog

from cj_assessment.domain.comparison import AttemptPolicy
from cj_assessment.ports import Store, Wake

log = structlog.get_logger()

AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class ExpireAttempts:
    """One step of the expiring worker; an overdue attempt's late answer still counts."""

    store: Store
    policy: AttemptPolicy
    wake_advance: Wake

    async def __call__(self) -> bool:
        """Expire some attempts; True when there may be more."""
        async with self.store.transaction() as transaction:
            expired = await transaction.expire_attempts(limit=AT_ONCE, policy=self.policy)
        if expired:
            log.warning("comparison.attempts_expired", count=expired)
            self.wake_advance()
        return expired == AT_ONCE
