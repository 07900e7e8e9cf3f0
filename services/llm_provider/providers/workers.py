"""The workers of the service, each around one use case."""

from collections.abc import Sequence

from dishka import AsyncContainer
from service_kit.housekeeping import MEASURING_SECONDS
from service_kit.running import BackgroundLoop
from service_kit.tracing import Tracing
from service_kit.work.items import FailureRecord, ItemWorker, SetAsideReason, TaskWorker, only_list
from service_kit.work.worker import FALLBACK_SECONDS, Worker

from llm_provider.adapters.tracing import traced_job
from llm_provider.domain.batch_job import JobId, JobPolicy
from llm_provider.ports import Due, Store
from llm_provider.ports.worker_names import (
    END_REQUESTS,
    GIVE_UP_OUTAGES,
    MEASURE,
    RAISE_ALERTS,
    RETURN_REQUESTS,
    RUN_JOBS,
    collect_worker,
)
from llm_provider.providers.failures import Failures
from llm_provider.providers.judges import Judges
from llm_provider.providers.wakeups import CollectorWakeups, JobWakeup, ReturnWakeup
from llm_provider.use_cases.batch_jobs.collect_jobs import CollectJobs
from llm_provider.use_cases.batch_jobs.run_jobs import RunJobs
from llm_provider.use_cases.judging.judge_requests import JudgeRequests
from llm_provider.use_cases.operations.alert_on_spending import AlertOnSpending
from llm_provider.use_cases.operations.measure_state import MeasureState
from llm_provider.use_cases.requests.end_requests import EndRequests
from llm_provider.use_cases.requests.give_up_outages import GiveUpOutages
from llm_provider.use_cases.requests.return_requests import ReturnRequests

BATCH_SIZE = 500
CONCURRENT_JOBS = 4


async def service_workers(container: AsyncContainer) -> Sequence[BackgroundLoop]:
    """All workers of the service itself, in no order."""
    return (
        *await container.get(tuple[JudgeRequests, ...]),
        *await _request_workers(container),
        *await _job_workers(container),
        await _alert_worker(container),
        Worker(
            name=MEASURE,
            step=await container.get(MeasureState),
            max_rest_seconds=MEASURING_SECONDS,
        ),
    )


async def _request_workers(container: AsyncContainer) -> Sequence[BackgroundLoop]:
    failures = await container.get(Failures)
    returning = await container.get(ReturnRequests)
    ending = await container.get(EndRequests)
    giving_up = await container.get(GiveUpOutages)
    return (
        ItemWorker(
            name=RETURN_REQUESTS,
            take=returning.take,
            handle=returning.handle,
            failures=failures.of_requests(RETURN_REQUESTS),
            batch_size=BATCH_SIZE,
            wakeup=await container.get(ReturnWakeup),
        ),
        ItemWorker(
            name=END_REQUESTS,
            take=ending.take,
            handle=ending.handle,
            failures=failures.of_requests(END_REQUESTS),
            batch_size=BATCH_SIZE,
        ),
        ItemWorker(
            name=GIVE_UP_OUTAGES,
            take=giving_up.take,
            handle=giving_up.handle,
            failures=failures.of_requests(GIVE_UP_OUTAGES),
            batch_size=BATCH_SIZE,
        ),
    )


async def _job_workers(container: AsyncContainer) -> Sequence[BackgroundLoop]:
    judges, store = await container.get(Judges), await container.get(Store)
    policy, wakeup = await container.get(JobPolicy), await container.get(JobWakeup)
    collectors = await container.get(CollectorWakeups)
    return (
        *(
            Worker(
                name=collect_worker(provider),
                step=CollectJobs(store=store, provider=provider, policy=policy, wake_runner=wakeup.wake),
                wakeup=collectors[provider],
            )
            for provider in judges.batch
        ),
        await _job_runner(container, wakeup),
    )


async def _job_runner(container: AsyncContainer, wakeup: JobWakeup) -> BackgroundLoop:
    run, store = await container.get(RunJobs), await container.get(Store)
    failures = await container.get(Failures)

    async def take(limit: int) -> Due[JobId]:
        jobs = await run.take(limit)
        async with store.transaction() as transaction:
            rest = await transaction.jobs.seconds_until_due()
        return Due(keys=jobs, rest_seconds=rest)

    async def set_aside(job_id: JobId, reason: SetAsideReason) -> None:
        await run.give_up(job_id, reason.message)

    return TaskWorker(
        name=RUN_JOBS,
        take=take,
        handle=traced_job(run.handle, await container.get(Tracing)),
        failures=FailureRecord(
            worker=RUN_JOBS,
            database=failures.database,
            metrics=failures.metrics,
            set_aside=set_aside,
            rules=failures.rules,
        ),
        concurrency=CONCURRENT_JOBS,
        takes_leases=True,
        wakeup=wakeup,
    )


async def _alert_worker(container: AsyncContainer) -> BackgroundLoop:
    alert, failures = await container.get(AlertOnSpending), await container.get(Failures)

    async def take(_: int) -> Due[str]:
        return Due(keys=await alert.take(), rest_seconds=None)

    return ItemWorker(
        name=RAISE_ALERTS,
        take=take,
        handle=alert.handle,
        failures=FailureRecord[str](
            worker=RAISE_ALERTS,
            database=failures.database,
            metrics=failures.metrics,
            set_aside=only_list,
            rules=failures.rules,
        ),
        batch_size=BATCH_SIZE,
        max_rest_seconds=FALLBACK_SECONDS,
    )
