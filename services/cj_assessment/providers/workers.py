"""The workers of the service: which use case each runs, and how much at a time."""

from collections.abc import Mapping
from typing import TypeVar
from uuid import UUID

from dishka import AsyncContainer
from service_kit.housekeeping import Housekeeping
from service_kit.http.set_aside import Reopen, nothing_to_reopen
from service_kit.providers import Relays
from service_kit.running import BackgroundLoop
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tracing import Tracing
from service_kit.work.failed_items import RetryRules
from service_kit.work.items import FailureRecord, ItemWorker, SetAside, TaskWorker

from cj_assessment.adapters.batch_metrics import BatchMetrics
from cj_assessment.adapters.tracing import BatchSpans
from cj_assessment.domain.batch import JobId
from cj_assessment.ports import worker_names
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
    """All workers of the service, in no order."""
    relays, housekeeping = await container.get(Relays), await container.get(Housekeeping)
    return (
        await _preparer(container),
        await _advancer(container),
        await _submitter(container),
        await _expirer(container),
        await _withdrawer(container),
        await _reporter(container),
        await _forgetter(container),
        *relays.workers(),
        housekeeping.worker(),
        (await container.get(BatchMetrics)).worker(),
    )


async def _preparer(container: AsyncContainer) -> BackgroundLoop:
    prepare, spans = await container.get(PrepareBatch), await _spans(container)
    return TaskWorker(
        name=worker_names.PREPARE,
        take=prepare.take,
        handle=spans.of_one(prepare.handle, "prepare batch"),
        failures=await _failures(container, worker_names.PREPARE, prepare.set_aside),
        concurrency=PREPARE_CONCURRENCY,
        takes_leases=True,
        wakeup=await container.get(PrepareWakeup),
    )


async def _advancer(container: AsyncContainer) -> BackgroundLoop:
    advance, spans = await container.get(AdvanceBatches), await _spans(container)
    return TaskWorker(
        name=worker_names.ADVANCE,
        take=advance.take,
        handle=spans.of_one(advance.handle, "decide on batch"),
        failures=await _failures(container, worker_names.ADVANCE, advance.set_aside),
        concurrency=ADVANCE_CONCURRENCY,
        wakeup=await container.get(AdvanceWakeup),
    )


async def _submitter(container: AsyncContainer) -> BackgroundLoop:
    submit, spans = await container.get(SubmitComparisons), await _spans(container)
    return ItemWorker(
        name=worker_names.SUBMIT,
        take=submit.take,
        handle=spans.of_several(submit.handle, "submit comparisons"),
        failures=await _failures(container, worker_names.SUBMIT, submit.set_aside),
        batch_size=SUBMITTED_BATCHES,
        wakeup=await container.get(SubmitWakeup),
    )


async def _expirer(container: AsyncContainer) -> BackgroundLoop:
    expire = await container.get(ExpireAttempts)
    return ItemWorker(
        name=worker_names.EXPIRE,
        take=expire.take,
        handle=expire.handle,
        failures=await _failures(container, worker_names.EXPIRE, expire.set_aside),
        batch_size=EXPIRED_ATTEMPTS,
    )


async def _withdrawer(container: AsyncContainer) -> BackgroundLoop:
    withdraw = await container.get(WithdrawAttempts)
    return ItemWorker(
        name=worker_names.WITHDRAW,
        take=withdraw.take,
        handle=withdraw.handle,
        failures=await _failures(container, worker_names.WITHDRAW, withdraw.set_aside),
        batch_size=WITHDRAWN_ATTEMPTS,
        wakeup=await container.get(WithdrawWakeup),
    )


async def _reporter(container: AsyncContainer) -> BackgroundLoop:
    report = await container.get(ReportConsumption)
    return ItemWorker(
        name=worker_names.REPORT,
        take=report.take,
        handle=report.handle,
        failures=await _failures(container, worker_names.REPORT, report.set_aside),
        batch_size=REPORTED_BATCHES,
        wakeup=await container.get(ReportWakeup),
    )


async def _forgetter(container: AsyncContainer) -> BackgroundLoop:
    forget = await container.get(CompleteErasures)
    return TaskWorker(
        name=worker_names.FORGET,
        take=forget.take,
        handle=forget.handle,
        failures=await _failures(container, worker_names.FORGET, forget.set_aside),
        concurrency=FORGOTTEN_CONCURRENTLY,
        takes_leases=True,
        wakeup=await container.get(ForgetWakeup),
    )


async def _spans(container: AsyncContainer) -> BatchSpans:
    return BatchSpans(database=await container.get(Database), tracing=await container.get(Tracing))


async def _failures(container: AsyncContainer, name: str, set_aside: SetAside[KeyT]) -> FailureRecord[KeyT]:
    return FailureRecord(
        worker=name,
        database=await container.get(Database),
        metrics=await container.get(ServiceMetrics),
        set_aside=set_aside,
        rules=await container.get(RetryRules),
    )


async def reopeners(container: AsyncContainer) -> Mapping[str, Reopen]:
    """How items that were set aside are made ready to be tried again, by worker."""
    reopen_batch = await container.get(ReopenBatch)

    async def batch(item: str) -> bool:
        return await reopen_batch(JobId(UUID(item)))

    return {
        worker_names.PREPARE: batch,
        worker_names.ADVANCE: batch,
        worker_names.SUBMIT: batch,
        worker_names.EXPIRE: nothing_to_reopen,
        worker_names.WITHDRAW: nothing_to_reopen,
        worker_names.REPORT: nothing_to_reopen,
        worker_names.FORGET: nothing_to_reopen,
    }
