"""Collect relaxed requests into jobs for a vendor's batch API."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from llm_provider.domain.batch_job import JobPolicy
from llm_provider.ports import Store

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class CollectJobs:
    """One step of the collecting worker of one provider."""

    store: Store
    provider: str
    policy: JobPolicy
    wake_runner: Callable[[], None]

    async def __call__(self) -> float | None:
        """Make a job if one is due; returns the seconds until the next may be due, None if nothing waits."""
        async with self.store.transaction() as transaction:
            job = await transaction.jobs.collect(provider=self.provider, policy=self.policy)
            if job is None:
                return await transaction.jobs.seconds_until_collection(
                    provider=self.provider, policy=self.policy
                )
        self.wake_runner()
        log.info(
            "job.collected",
            job_id=str(job.job_id),
            provider=self.provider,
            model=job.model,
            items=job.items,
        )
        return 0.0
