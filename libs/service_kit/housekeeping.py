"""Housekeeping of a service: measures its outbox and its workers, and deletes what it need not keep any longer."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from service_kit.messaging.outbox import measure_backlog
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.work.failed_items import count_set_aside
from service_kit.work.isolation import Failure, isolate
from service_kit.work.items import FailureRecord, only_list
from service_kit.work.retention import RetentionRule, common_rules
from service_kit.work.worker import IMMEDIATELY, Worker

log = structlog.get_logger()

NAME = "housekeeping"
MEASURING_SECONDS = 15.0
PRUNING_SECONDS = 300.0


@dataclass(kw_only=True)
class Housekeeping:
    """One worker's step: measure always; now and then apply every retention rule, one bounded step of each.

    A rule that fails keeps no other from being applied. It is listed among the items that were set aside, and is
    applied again at each turn all the same: nothing may be kept for longer because it could not be deleted once.
    """

    database: Database
    metrics: ServiceMetrics
    rules: Sequence[RetentionRule] = ()
    _prune_at: float = field(default=0.0, init=False)
    _reported: set[str] = field(default_factory=set, init=False)
    _failures: FailureRecord[str] = field(init=False)

    def __post_init__(self) -> None:
        self.rules = (*common_rules(), *self.rules)
        for rule in self.rules:
            self.metrics.workers.retention_deleted.labels(rule.name)
        self._failures = FailureRecord(
            worker=NAME, database=self.database, metrics=self.metrics, set_aside=only_list
        )

    def worker(self) -> Worker:
        """The loop that runs this."""
        return Worker(name=NAME, step=self.tidy, max_rest_seconds=MEASURING_SECONDS)

    async def tidy(self) -> float | None:
        """One round; the next is due after the worker's longest rest."""
        await self._measure()
        if time.monotonic() >= self._prune_at:
            if await self._prune():
                return IMMEDIATELY
            self._prune_at = time.monotonic() + PRUNING_SECONDS
        return None

    async def _prune(self) -> bool:
        """Apply one step of each rule; True when there may be more to delete."""
        await self._failures.load()
        failures: list[Failure[str]] = []
        is_full = False
        for rule in self.rules:
            deleted, failed = await self._apply(rule)
            is_full = is_full or deleted >= rule.rows
            failures += failed
        if failures:
            await self._failures.failed(failures)
        failed_names = {failure.item for failure in failures}
        await self._failures.succeeded([rule.name for rule in self.rules if rule.name not in failed_names])
        return is_full

    async def _apply(self, rule: RetentionRule) -> tuple[int, Sequence[Failure[str]]]:
        deleted = 0

        async def step(_names: Sequence[str]) -> None:
            nonlocal deleted
            async with self.database.transaction() as connection:
                result = await connection.execute(rule.statement, {"age": rule.keep, "limit": rule.rows})
            deleted = result.rowcount

        failures = await isolate([rule.name], step)
        if deleted:
            self.metrics.workers.retention_deleted.labels(rule.name).inc(deleted)
            log.info("retention.deleted", rule=rule.name, rows=deleted, older_than_days=rule.keep.days)
        return deleted, failures

    async def _measure(self) -> None:
        async with self.database.transaction() as connection:
            bus = await measure_backlog(connection, transport="bus")
            http = await measure_backlog(connection, transport="http")
            set_aside = await count_set_aside(connection)
        for transport, backlog in (("bus", bus), ("http", http)):
            self.metrics.outbox.backlog.labels(transport).set(backlog.messages)
            self.metrics.outbox.oldest.labels(transport).set(backlog.oldest_seconds)
            self.metrics.outbox.currently_given_up.labels(transport).set(backlog.given_up)
        self._reported.update(set_aside)
        for worker in self._reported:
            self.metrics.workers.currently_set_aside.labels(worker).set(set_aside.get(worker, 0))
