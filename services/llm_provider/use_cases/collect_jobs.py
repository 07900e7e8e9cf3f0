"""Collect relaxed requests into jobs for a vendor's batch API."""

from collections.abc import Collection
from dataclasses import dataclass

import structlog

from llm_provider.domain.jobs import JobPolicy
from llm_provider.ports import Store

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class CollectJobs:
    """One step of the collecting worker."""

    store: Store
    providers: Collection[str]
    policy: JobPolicy

    async def __call__(self) -> bool:
        """Make jobs of what is ripe; True when there may be more."""
        made = [await self._collect(provider) for provider in self.providers]
        return any(made)

    async def _collect(self, provider: str) -> bool:
        async with self.store.transaction() as transaction:
            job = await transaction.jobs.collect(provider=provider, policy=self.policy)
        if job is not None:
            log.info(
                "job.collected", job_id=str(job.job_id), provider=provider, model=job.model, items=job.items
            )
        return job is not None
