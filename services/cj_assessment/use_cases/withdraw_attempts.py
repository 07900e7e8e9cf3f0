"""Take back what was asked for batches that are over, so that nobody pays for answers that nobody waits for."""

import asyncio
from dataclasses import dataclass

import structlog

from cj_assessment.ports import LlmProvider, Store

log = structlog.get_logger()

AT_ONCE = 50


@dataclass(frozen=True, kw_only=True)
class WithdrawAttempts:
    """One step of the withdrawing worker; a call that is being made is billed all the same."""

    store: Store
    llm_provider: LlmProvider

    async def __call__(self) -> bool:
        """Withdraw some; True when there may be more. Raises ``ExternalServiceError``: they are tried again."""
        async with self.store.transaction() as transaction:
            attempts = await transaction.take_withdrawn(limit=AT_ONCE)
            await asyncio.gather(*(self.llm_provider.withdraw(request) for request in attempts.values()))
            await transaction.mark_withdrawn(list(attempts))
        if attempts:
            log.info("comparison.attempts_withdrawn", count=len(attempts))
        return len(attempts) == AT_ONCE
