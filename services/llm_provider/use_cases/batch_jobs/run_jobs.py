"""Take jobs through a vendor's batch API: submit, ask, and record every item's outcome once.

A job is noted as being submitted before the vendor hears of it, and the vendor's id of it afterwards. A worker that
is killed in between leaves a job that is submitted again: the vendor works on it twice, only the second one is read,
and the first is paid for nothing. So a kill costs one job at most.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from event_contracts import ProcessingError, SuiteError

from llm_provider.domain.batch_job import Job, JobId, JobPolicy, JobState, RunningJob
from llm_provider.domain.calls.announcements import call_started
from llm_provider.domain.calls.call import Call
from llm_provider.domain.calls.errors import JudgeError, JudgeTimeout, may_be_retried
from llm_provider.domain.requests.request import LeasedRequest, QueueId
from llm_provider.ports import (
    BatchItem,
    BatchJobState,
    BatchJudge,
    BatchOutcome,
    Catalogue,
    FailureCount,
    Rows,
    Store,
)
from llm_provider.use_cases.judging.make_call import answered_call, failed_call, judge_call
from llm_provider.use_cases.judging.record_isolated import RecordIsolated

log = structlog.get_logger()

LEASE = timedelta(minutes=5)
BATCH_SIZE = 200


@dataclass(frozen=True, kw_only=True)
class RunJobs:
    """Takes jobs through their steps, each by itself: a slow or failing job delays no other."""

    store: Store
    judges: Mapping[str, BatchJudge]
    catalogue: Catalogue
    record: RecordIsolated
    policy: JobPolicy
    publish_call_events: bool
    set_aside_unreadable: FailureCount[QueueId]

    async def take(self, limit: int) -> Sequence[JobId]:
        """The jobs that are due for their next step."""
        async with self.store.transaction() as transaction:
            return await transaction.jobs.due(limit=limit)

    async def handle(self, job_id: JobId) -> None:
        """Take one job one step further, unless another worker does."""
        try:
            async with self.store.transaction() as transaction:
                if not await transaction.jobs.lease(job_id, lease=LEASE):
                    return
            async with self.store.transaction() as transaction:
                job = await transaction.jobs.read(job_id)
            await self._take_next_step(job)
        except asyncio.CancelledError:
            # Another worker need not wait for the end of the lease.
            await self._look_again(job_id, after=timedelta(0))
            raise

    async def _take_next_step(self, job: Job) -> None:
        judge = self.judges.get(job.provider)
        if judge is None:
            await self._without_judge(job)
        elif isinstance(job, RunningJob):
            await self._ask(job, judge)
        elif job.state in (JobState.COLLECTED, JobState.SUBMITTING):
            await self._submit(job, judge)
        else:
            raise ProcessingError(f"batch job {job.job_id} is {job.state} without the vendor's id of it")

    async def give_up(self, job_id: JobId, reason: str) -> None:
        """Close a job that cannot be handled; its items are judged live or reported, as their callers asked."""
        async with self.store.transaction() as transaction:
            job = await transaction.jobs.read(job_id)
        await self._close(job, reason=reason)

    async def _without_judge(self, job: Job) -> None:
        log.warning("job.provider_not_configured", job_id=str(job.job_id), provider=job.provider)
        if self._is_overdue(job):
            await self._close(job, reason=f"{job.provider} is no longer configured here")
        else:
            await self._look_again(job.job_id)

    async def _submit(self, job: Job, judge: BatchJudge) -> None:
        async with self.store.transaction() as transaction:
            rows = await transaction.jobs.open_items(job.job_id)
            await transaction.jobs.submitting(job.job_id)
        items = await self._sift_out_unreadable(rows)
        if not items:
            await self._close(job)
            return
        try:
            vendor_job_id = await judge.submit([_item(leased) for leased in items])
        except SuiteError as error:
            await self._not_submitted(job, error)
            return
        async with self.store.transaction() as transaction:
            await transaction.jobs.submitted(
                job.job_id, vendor_job_id=vendor_job_id, poll_after=self.policy.poll_interval
            )
            if self.publish_call_events:
                transaction.outbox.announce(
                    [call_started(leased.request, attempt=leased.attempts) for leased in items]
                )
        log.info("job.submitted", job_id=str(job.job_id), vendor_job_id=vendor_job_id, items=len(items))

    async def _sift_out_unreadable(self, rows: Rows) -> Sequence[LeasedRequest]:
        """Set the rows that cannot be read aside, and return the requests of the others."""
        await self.set_aside_unreadable({found.queue_id: found.error for found in rows.unreadable})
        return rows.requests

    async def _not_submitted(self, job: Job, error: SuiteError) -> None:
        if may_be_retried(error) and job.submissions + 1 < self.policy.max_submissions:
            log.warning(
                "job.submission_failed", job_id=str(job.job_id), error_code=error.code, reason=error.message
            )
            await self._look_again(
                job.job_id, after=error.retry_after if isinstance(error, JudgeError) else None
            )
            return
        await self._close(job, reason=error.message)

    async def _ask(self, job: RunningJob, judge: BatchJudge) -> None:
        try:
            view = await judge.view(job.vendor_job_id)
            if view.state is BatchJobState.RUNNING:
                await self._wait_for(job, judge)
                return
            if view.state is BatchJobState.ENDED:
                await self._read(job, judge)
        except SuiteError as error:
            await self._not_read(job, error)
            return
        await self._close(job, reason=view.reason)

    async def _wait_for(self, job: RunningJob, judge: BatchJudge) -> None:
        """Look again later; a job none of whose results is still wanted need not be finished."""
        async with self.store.transaction() as transaction:
            is_wanted = await transaction.jobs.is_wanted(job.job_id)
        if not is_wanted:
            await judge.cancel(job.vendor_job_id)
        if self._is_overdue(job):
            await self._close(job, reason="the vendor's batch job has not ended for too long")
        else:
            await self._look_again(job.job_id)

    async def _not_read(self, job: Job, error: SuiteError) -> None:
        log.warning("job.poll_failed", job_id=str(job.job_id), error_code=error.code, reason=error.message)
        if may_be_retried(error) and not self._is_overdue(job):
            await self._look_again(job.job_id)
        else:
            await self._close(job, reason=error.message)

    def _is_overdue(self, job: Job) -> bool:
        return job.is_older_than(self.policy.give_up_after, now=datetime.now(UTC))

    async def _read(self, job: RunningJob, judge: BatchJudge) -> None:
        async for outcomes in _chunks(judge.outcomes(job.vendor_job_id)):
            await self._record(job, outcomes)

    async def _record(self, job: Job, outcomes: Sequence[BatchOutcome]) -> None:
        """Record outcomes, also of requests that have ended otherwise: the vendor bills them."""
        by_id = {queue_id: outcome for outcome in outcomes if (queue_id := _queue_id(outcome)) is not None}
        async with self.store.transaction() as transaction:
            await transaction.jobs.look_again(job.job_id, after=LEASE)
            rows = await transaction.jobs.items(job.job_id, list(by_id))
        items = await self._sift_out_unreadable(rows)
        await self._record_calls(job, [self._call(job, leased, by_id[leased.queue_id]) for leased in items])

    async def _record_calls(self, job: Job, calls: Sequence[Call]) -> None:
        if calls and (failed := await self.record(calls, provider=job.provider)):
            raise ProcessingError(f"{len(failed)} calls of batch job {job.job_id} cannot be recorded yet")

    def _call(self, job: Job, leased: LeasedRequest, outcome: BatchOutcome) -> Call:
        if isinstance(outcome.result, SuiteError):
            return failed_call(leased, outcome.result, started_at=job.created_at, in_batch=True)
        return answered_call(
            leased, outcome.result, catalogue=self.catalogue, started_at=job.created_at, in_batch=True
        )

    async def _close(self, job: Job, *, reason: str | None = None) -> None:
        """End a job; items that have no outcome are judged live or reported, as their callers asked."""
        async with self.store.transaction() as transaction:
            rows = await transaction.jobs.open_items(job.job_id)
        left = await self._sift_out_unreadable(rows)
        error = JudgeTimeout(reason or "the vendor's batch job ended without an answer", may_be_billed=False)
        calls = [failed_call(leased, error, started_at=job.created_at, in_batch=True) for leased in left]
        for start in range(0, len(calls), BATCH_SIZE):
            await self._record_calls(job, calls[start : start + BATCH_SIZE])
        async with self.store.transaction() as transaction:
            await transaction.jobs.close(job.job_id, reason=reason)
        log.info("job.closed", job_id=str(job.job_id), reason=reason, without_outcome=len(left))

    async def _look_again(self, job_id: JobId, *, after: timedelta | None = None) -> None:
        async with self.store.transaction() as transaction:
            await transaction.jobs.look_again(
                job_id, after=self.policy.poll_interval if after is None else after
            )


async def _chunks(outcomes: AsyncIterator[BatchOutcome]) -> AsyncIterator[Sequence[BatchOutcome]]:
    """Outcomes in sets; those before an error are yielded before the error is raised."""
    chunk: list[BatchOutcome] = []
    try:
        async for outcome in outcomes:
            chunk.append(outcome)
            if len(chunk) == BATCH_SIZE:
                yield chunk
                chunk = []
    except SuiteError:
        yield chunk
        raise
    yield chunk


def _item(leased: LeasedRequest) -> BatchItem:
    return BatchItem(custom_id=leased.queue_id.hex, call=judge_call(leased))


def _queue_id(outcome: BatchOutcome) -> QueueId | None:
    """The request that an outcome is for; None for an id that is not one of ours."""
    try:
        return QueueId(UUID(hex=outcome.custom_id))
    except ValueError:
        return None
