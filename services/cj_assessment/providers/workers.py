"""The workers of the service: which use case each runs, and how much at a time."""

from collections.abc import Mapping
from typing import TypeVar
from uuid import UUID

from dishka import AsyncContainer
from service_kit.http.set_aside import Reopen
from service_kit.providers import Relays
from service_kit.running import BackgroundLoop
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tracing import Tracing
from service_kit.work.failed_items import RetryRules
from service_kit.work.housekeeping import Housekeeping
from service_kit.work.items import FailureRecord, ItemWorker, SetAside, TaskWorker

from cj_assessment.adapters.batch_metrics import BatchMetrics
from cj_assessment.adapters.tracing import BatchSpans
from cj_assessment.domain.batch import JobId
from cj_assessment.ports import workers
from cj_assessment.providers.wakeups import (
    AdvanceWakeup,
    ForgetWakeup,
    PrepareWakeup,
    ReportWakeup,
    SubmitWakeup,
    WithdrawWakeup,
)
from cj_assessment.use_cases.advance_batch import AdvanceBatches
from cj_assessment.use_cases.complete_erasures import CompleteErasures
from cj_assessment.use_cases.expire_attempts import ExpireAttempts
from cj_assessment.use_cases.prepare_batch import PrepareBatch
from cj_assessment.use_cases.reopen_batch import ReopenBatch
from cj_assessment.use_cases.report_consumption import ReportConsumption
from cj_assessment.use_cases.submit_comparisons import SubmitComparisons
from cj_assessment.use_cases.withdraw_attempts import WithdrawAttempts

KeyT = TypeVar("KeyT")

PREPARE_CONCURRENCY = 4
ADVANCE_CONCURRENCY = 4
"""Batches advanced concurrently: each holds a connection and a thread while it is fitted."""
SUBMITTED_BATCHES = 500
EXPIRED_ATTEMPTS = 100
WITHDRAWN_ATTEMPTS = 50
FORGOTTEN_CONCURRENTLY = 2
REPORTED_BATCHES = 20


async def assessment_workers(container: AsyncContainer) -> tuple[BackgroundLoop, ...]:
    database, metrics = await container.get(Database), await container.get(ServiceMetrics)
    spans = BatchSpans(database=database, tracing=await container.get(Tracing))
    rules = await container.get(RetryRules)
    relays, housekeeping = await container.get(Relays), await container.get(Housekeeping)
    prepare, advance = await container.get(PrepareBatch), await container.get(AdvanceBatches)
    submit, expire = await container.get(SubmitComparisons), await container.get(ExpireAttempts)
    withdraw, report = await container.get(WithdrawAttempts), await container.get(ReportConsumption)
    forget = await container.get(CompleteErasures)

    def failures(name: str, set_aside: SetAside[KeyT]) -> FailureRecord[KeyT]:
        return FailureRecord(
            worker=name, database=database, metrics=metrics, set_aside=set_aside, rules=rules
        )

    return (
        TaskWorker(
            name=workers.PREPARE,
            take=prepare.take,
            handle=spans.of_one(prepare.handle, "prepare batch"),
            failures=failures(workers.PREPARE, prepare.set_aside),
            concurrency=PREPARE_CONCURRENCY,
            takes_leases=True,
            wakeup=await container.get(PrepareWakeup),
        ),
        TaskWorker(
            name=workers.ADVANCE,
            take=advance.take,
            handle=spans.of_one(advance.handle, "decide on batch"),
            failures=failures(workers.ADVANCE, advance.set_aside),
            concurrency=ADVANCE_CONCURRENCY,
            wakeup=await container.get(AdvanceWakeup),
        ),
        ItemWorker(
            name=workers.SUBMIT,
            take=submit.take,
            handle=spans.of_several(submit.handle, "submit comparisons"),
            failures=failures(workers.SUBMIT, submit.set_aside),
            batch_size=SUBMITTED_BATCHES,
            wakeup=await container.get(SubmitWakeup),
        ),
        ItemWorker(
            name=workers.EXPIRE,
            take=expire.take,
            handle=expire.handle,
            failures=failures(workers.EXPIRE, expire.set_aside),
            batch_size=EXPIRED_ATTEMPTS,
        ),
        ItemWorker(
            name=workers.WITHDRAW,
            take=withdraw.take,
            handle=withdraw.handle,
            failures=failures(workers.WITHDRAW, withdraw.set_aside),
            batch_size=WITHDRAWN_ATTEMPTS,
            wakeup=await container.get(WithdrawWakeup),
        ),
        ItemWorker(
            name=workers.REPORT,
            take=report.take,
            handle=report.handle,
            failures=failures(workers.REPORT, report.set_aside),
            batch_size=REPORTED_BATCHES,
            wakeup=await container.get(ReportWakeup),
        ),
        TaskWorker(
            name=workers.FORGET,
            take=forget.take,
            handle=forget.handle,
            failures=failures(workers.FORGET, forget.set_aside),
            concurrency=FORGOTTEN_CONCURRENTLY,
            takes_leases=True,
            wakeup=await container.get(ForgetWakeup),
        ),
        *relays.workers(),
        housekeeping.worker(),
        (await container.get(BatchMetrics)).worker(),
    )


async def reopeners(container: AsyncContainer) -> Mapping[str, Reopen]:
    """How items that were set aside are made ready to be tried again, by worker."""
    reopen_batch = await container.get(ReopenBatch)

    async def batch(item: str) -> bool:
        return await reopen_batch(JobId(UUID(item)))

    async def nothing_ended(_item: str) -> bool:
        return True

    return {
        workers.PREPARE: batch,
        workers.ADVANCE: batch,
        workers.SUBMIT: batch,
        workers.EXPIRE: nothing_ended,
        workers.WITHDRAW: nothing_ended,
        workers.REPORT: nothing_ended,
        workers.FORGET: nothing_ended,
    }
