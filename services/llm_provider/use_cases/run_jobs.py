"""Take jobs through a vendor's batch API: submit, ask, and record every item's outcome once.

A job is noted as being submitted before the vendor hears of it, and the vendor's id of it afterwards. A worker that
dies in between leaves a job that is submitted again: the vendor works on it twice, only the second one is read, and
the first is paid for nothing. So a kill costs one job at most.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from event_contracts import SuiteError

from llm_provider.domain.announcing import call_begins
from llm_provider.domain.calls import Call
from llm_provider.domain.errors import JudgeError, JudgeTimeout, may_be_retried
from llm_provider.domain.jobs import Job, JobPolicy, JobState
from llm_provider.domain.request import QueueId, Taken
from llm_provider.ports import BatchItem, BatchJobState, BatchJudge, BatchOutcome, Catalogue, Store
from llm_provider.use_cases.make_call import answered_call, failed_call, judge_call
from llm_provider.use_cases.record_calls import RecordCalls

log = structlog.get_logger()

LEASE = timedelta(minutes=5)
AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class RunJobs:
    """One step of the job worker: the next step of one job."""

    store: Store
    judges: Mapping[str, BatchJudge]
    catalogue: Catalogue
    record: RecordCalls
    policy: JobPolicy

    async def __call__(self) -> bool:
        """Take one job one step further; True when another may be due."""
        async with self.store.transaction() as transaction:
            job = await transaction.jobs.take_due(lease=LEASE)
        if job is None:
            return False
        judge = self.judges.get(job.provider)
        if judge is None:
            log.warning("job.provider_not_set_up", job_id=str(job.job_id), provider=job.provider)
            await self._look_again(job)
        elif job.state in (JobState.COLLECTED, JobState.SUBMITTING):
            await self._submit(job, judge)
        else:
            await self._ask(job, judge)
        return True

    async def _submit(self, job: Job, judge: BatchJudge) -> None:
        async with self.store.transaction() as transaction:
            items = await transaction.jobs.open_items(job.job_id)
            await transaction.jobs.submitting(job.job_id)
        if not items:
            await self._close(job)
            return
        try:
            vendor_job_id = await judge.submit([_item(taken) for taken in items])
        except SuiteError as error:
            await self._not_submitted(job, error)
            return
        async with self.store.transaction() as transaction:
            await transaction.jobs.submitted(
                job.job_id, vendor_job_id=vendor_job_id, poll_after=self.policy.poll_every
            )
            if self.record.announce_calls:
                transaction.outbox.announce(
                    [call_begins(taken.request, attempt=taken.attempts) for taken in items]
                )
        log.info("job.submitted", job_id=str(job.job_id), vendor_job_id=vendor_job_id, items=len(items))

    async def _not_submitted(self, job: Job, error: SuiteError) -> None:
        if may_be_retried(error) and job.submissions + 1 < self.policy.max_submissions:
            log.warning(
                "job.not_submitted", job_id=str(job.job_id), error_code=error.code, reason=error.message
            )
            await self._look_again(job, after=error.retry_after if isinstance(error, JudgeError) else None)
            return
        await self._close(job, reason=error.message)

    async def _ask(self, job: Job, judge: BatchJudge) -> None:
        assert job.vendor_job_id is not None, "a job that is running has its vendor's id"
        try:
            view = await judge.view(job.vendor_job_id)
            if view.state is BatchJobState.RUNNING:
                await self._wait_for(job, judge, job.vendor_job_id)
                return
            if view.state is BatchJobState.ENDED:
                await self._read(job, judge, job.vendor_job_id)
        except SuiteError as error:
            await self._not_read(job, error)
            return
        await self._close(job, reason=view.reason)

    async def _wait_for(self, job: Job, judge: BatchJudge, vendor_job_id: str) -> None:
        """Look again later; what nobody waits for any more need not be finished, but is billed as far as it is."""
        async with self.store.transaction() as transaction:
            items = await transaction.jobs.open_items(job.job_id)
        if not items:
            await judge.cancel(vendor_job_id)
        if self._is_overdue(job):
            await self._close(job, reason="the vendor's batch job has not ended for too long")
        else:
            await self._look_again(job)

    async def _not_read(self, job: Job, error: SuiteError) -> None:
        log.warning("job.not_read", job_id=str(job.job_id), error_code=error.code, reason=error.message)
        if may_be_retried(error) and not self._is_overdue(job):
            await self._look_again(job)
        else:
            await self._close(job, reason=error.message)

    def _is_overdue(self, job: Job) -> bool:
        return job.is_older_than(self.policy.give_up_after, now=datetime.now(UTC))

    async def _read(self, job: Job, judge: BatchJudge, vendor_job_id: str) -> None:
        async for outcomes in _chunks(judge.outcomes(vendor_job_id)):
            await self._record(job, outcomes)

    async def _record(self, job: Job, outcomes: Sequence[BatchOutcome]) -> None:
        """Record outcomes, also of requests that have ended otherwise: the vendor bills them."""
        by_id = {queue_id: outcome for outcome in outcomes if (queue_id := _queue_id(outcome)) is not None}
        async with self.store.transaction() as transaction:
            await transaction.jobs.look_again(job.job_id, after=LEASE)
            items = await transaction.jobs.items(job.job_id, list(by_id))
        calls = [self._call(job, taken, by_id[taken.queue_id]) for taken in items]
        if calls:
            await self.record(calls, provider=job.provider)

    def _call(self, job: Job, taken: Taken, outcome: BatchOutcome) -> Call:
        if outcome.reply is not None:
            return answered_call(
                taken, outcome.reply, catalogue=self.catalogue, started_at=job.created_at, in_batch=True
            )
        error = outcome.error or JudgeTimeout("the vendor's batch job has no answer")
        return failed_call(taken, error, started_at=job.created_at, in_batch=True)

    async def _close(self, job: Job, *, reason: str | None = None) -> None:
        """End a job; items that have no outcome are judged live or reported, as their callers asked."""
        async with self.store.transaction() as transaction:
            left = await transaction.jobs.open_items(job.job_id)
        error = JudgeTimeout(reason or "the vendor's batch job ended without an answer")
        calls = [failed_call(taken, error, started_at=job.created_at, in_batch=True) for taken in left]
        for start in range(0, len(calls), AT_ONCE):
            await self.record(calls[start : start + AT_ONCE], provider=job.provider)
        async with self.store.transaction() as transaction:
            await transaction.jobs.close(job.job_id, reason=reason)
        log.info("job.closed", job_id=str(job.job_id), reason=reason, without_outcome=len(left))

    async def _look_again(self, job: Job, *, after: timedelta | None = None) -> None:
        async with self.store.transaction() as transaction:
            await transaction.jobs.look_again(job.job_id, after=after or self.policy.poll_every)


async def _chunks(outcomes: AsyncIterator[BatchOutcome]) -> AsyncIterator[Sequence[BatchOutcome]]:
    """Outcomes, some at a time; what came before an error is given out before the error is raised."""
    chunk: list[BatchOutcome] = []
    try:
        async for outcome in outcomes:
            chunk.append(outcome)
            if len(chunk) == AT_ONCE:
                yield chunk
                chunk = []
    except SuiteError:
        yield chunk
        raise
    yield chunk


def _item(taken: Taken) -> BatchItem:
    return BatchItem(custom_id=taken.queue_id.hex, call=judge_call(taken))


def _queue_id(outcome: BatchOutcome) -> QueueId | None:
    """The request that an outcome is for; None for an id that is not one of ours."""
    try:
        return QueueId(UUID(hex=outcome.custom_id))
    except ValueError:
        return None
