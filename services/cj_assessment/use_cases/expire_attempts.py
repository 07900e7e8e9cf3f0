"""Stop waiting for answers that are overdue."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from cj_assessment.domain.comparison import AttemptId, AttemptPolicy
from cj_assessment.ports import Due, LlmProvider, SetAsideReason, Store, Wake
from cj_assessment.use_cases.shared.ending import set_batch_aside

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ExpireAttempts:
    """The work of the expiring worker, whose items are attempts.

    An overdue request is cancelled, so that no more calls are made for it; its late answer still counts. A request
    that the LLM Provider does not know was lost: its comparison is asked once more.
    """

    store: Store
    llm_provider: LlmProvider
    policy: AttemptPolicy
    wake_advance: Wake
    wake_submit: Wake
    wake_report: Wake

    async def take(self, limit: int) -> Due[AttemptId]:
        """Attempts whose answer is overdue."""
        async with self.store.transaction() as transaction:
            return await transaction.attempts.take_overdue(limit=limit)

    async def handle(self, attempts: Sequence[AttemptId]) -> None:
        """Cancel their requests and expire them. Raises ``ExternalServiceError``: nothing has expired then."""
        async with self.store.transaction() as transaction:
            requests = await transaction.attempts.request_ids(attempts)
        sent = {attempt: request for attempt, request in requests.items() if request is not None}
        known = await asyncio.gather(*(self.llm_provider.withdraw(request) for request in sent.values()))
        is_known = dict(zip(sent, known, strict=True))
        lost = [attempt for attempt in requests if not is_known.get(attempt, False)]
        async with self.store.transaction() as transaction:
            await transaction.attempts.expire(list(requests), lost=lost, policy=self.policy)
        log.warning("comparison.attempts_expired", count=len(requests), lost=len(lost))
        self.wake_advance()
        self.wake_submit()
        self.wake_report()

    async def set_aside(self, attempt: AttemptId, reason: SetAsideReason) -> None:
        """End the batch of an attempt that cannot be expired."""
        async with self.store.transaction() as transaction:
            job_id = await transaction.attempts.job_id_of(attempt)
        if job_id is not None:
            await set_batch_aside(self.store, job_id, step="expire_attempts", reason=reason)
