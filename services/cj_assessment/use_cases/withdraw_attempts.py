"""Withdraw the requests of batches that have ended: their answers would be paid for and not used."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from cj_assessment.domain.comparison import AttemptId
from cj_assessment.ports import Due, LlmProvider, SetAsideReason, Store

log = structlog.get_logger()

LEASE = timedelta(seconds=10)
"""Shorter than a call may take: withdrawing a request twice changes nothing."""


@dataclass(frozen=True, kw_only=True)
class WithdrawAttempts:
    """The work of the withdrawing worker, whose items are attempts.

    A call that is in progress is billed all the same: its cost comes with the answer to the withdrawn request.
    """

    store: Store
    llm_provider: LlmProvider

    async def take(self, limit: int) -> Due[AttemptId]:
        """Outstanding attempts of batches that have ended."""
        async with self.store.transaction() as transaction:
            return await transaction.attempts.take_withdrawable(limit=limit, lease=LEASE)

    async def handle(self, attempts: Sequence[AttemptId]) -> None:
        """Withdraw their requests. Raises ``ExternalServiceError``: they are tried again."""
        async with self.store.transaction() as transaction:
            requests = await transaction.attempts.request_ids(attempts)
        await asyncio.gather(
            *(self.llm_provider.withdraw(request) for request in requests.values() if request is not None)
        )
        async with self.store.transaction() as transaction:
            await transaction.attempts.mark_withdrawn(list(requests))
        log.info("comparison.attempts_withdrawn", count=len(requests))

    async def set_aside(self, attempt: AttemptId, reason: SetAsideReason) -> None:
        """Leave the attempt to its deadline: its batch has ended already."""
        log.warning("comparison.attempt_not_withdrawn", attempt_id=str(attempt), reason=reason.message)
