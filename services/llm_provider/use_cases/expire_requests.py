"""End requests whose time is over, with the error callback that is owed to their callers."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from llm_provider.domain.calls import Ended, ended_without_call
from llm_provider.domain.errors import RequestExpired
from llm_provider.domain.request import Place, Taken
from llm_provider.ports import Store

log = structlog.get_logger()

AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class ExpireRequests:
    """One step of the expiring worker."""

    store: Store

    async def __call__(self) -> bool:
        """Expire some requests; True when there may be more."""
        now = datetime.now(UTC)
        async with self.store.transaction() as transaction:
            expired = await transaction.queue.take_expired(limit=AT_ONCE)
            await transaction.queue.end([_ended(taken, now) for taken in expired])
        if expired:
            log.warning("request.expired", count=len(expired))
        return len(expired) == AT_ONCE


def _ended(taken: Taken, now: datetime) -> Ended:
    waited = (taken.request.expires_at - taken.request.requested_at).total_seconds()
    last = f", the last of which ended with {taken.last_error_code}" if taken.last_error_code else ""
    error = RequestExpired(f"not answered within {waited:g} s, after {taken.attempts} attempts{last}")
    return ended_without_call(taken, error, place=Place.EXPIRED, now=now)
