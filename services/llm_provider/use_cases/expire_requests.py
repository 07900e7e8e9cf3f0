"""End requests whose time is over, with the error callback that is owed to their callers."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from event_contracts import EventEnvelope

from llm_provider.domain.errors import RequestExpired
from llm_provider.domain.request import SERVICE, JudgeRequest, expiry_of
from llm_provider.ports import Finished, Store

log = structlog.get_logger()

AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class ExpireRequests:
    """One step of the expiring worker."""

    store: Store

    async def __call__(self) -> bool:
        """Expire some requests; True when there may be more."""
        async with self.store.transaction() as transaction:
            expired = await transaction.take_expired(limit=AT_ONCE)
            await transaction.finish([_finished(request) for request in expired])
        if expired:
            log.warning("request.expired", count=len(expired))
        return len(expired) == AT_ONCE


def _finished(request: JudgeRequest) -> Finished:
    waited = (request.expires_at - request.requested_at).total_seconds()
    result = expiry_of(
        request,
        RequestExpired(f"not answered within {waited:g} s, after {request.attempts} attempts"),
        now=datetime.now(UTC),
    )
    return Finished(
        queue_id=request.queue_id,
        result=result,
        callback=EventEnvelope.wrap(result, source_service=SERVICE, correlation_id=request.correlation_id),
        callback_topic=request.callback_topic,
        callback_url=request.callback_url,
    )
