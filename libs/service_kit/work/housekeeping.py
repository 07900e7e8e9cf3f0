"""Housekeeping of a service: measures its outbox and its workers, and deletes what is old in bounded steps."""

import time
from dataclasses import dataclass, field
from datetime import timedelta

from service_kit.messaging.inbox import prune_inbox
from service_kit.messaging.outbox import measure_backlog, prune_outbox
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.work.failed_items import count_set_aside, prune_failed_items
from service_kit.work.worker import AT_ONCE, Worker

MEASURING_SECONDS = 15.0
PRUNING_SECONDS = 600.0
PRUNE_BATCH_SIZE = 5_000
KEEP_GIVEN_UP_MESSAGES = timedelta(days=30)
KEEP_FAILED_ITEMS = timedelta(days=30)
KEEP_INBOX = timedelta(days=14)
"""Longer than the broker keeps messages: an event that can be delivered again is still remembered."""


@dataclass
class Housekeeping:
    """One worker's step: measure always, prune now and then."""

    database: Database
    metrics: ServiceMetrics
    _prune_at: float = field(default=0.0, init=False)
    _reported: set[str] = field(default_factory=set, init=False)

    def worker(self) -> Worker:
        """The loop that runs this."""
        return Worker(name="housekeeping", step=self.tidy, longest_rest_seconds=MEASURING_SECONDS)

    async def tidy(self) -> float | None:
        """One round; the next is due after the worker's longest rest."""
        await self._measure()
        if time.monotonic() >= self._prune_at:
            if await self._prune():
                return AT_ONCE
            self._prune_at = time.monotonic() + PRUNING_SECONDS
        return None

    async def _prune(self) -> bool:
        """Delete one set of old rows per table; True when there may be more."""
        async with self.database.transaction() as connection:
            deleted = (
                await prune_outbox(connection, older_than=KEEP_GIVEN_UP_MESSAGES, limit=PRUNE_BATCH_SIZE),
                await prune_failed_items(connection, older_than=KEEP_FAILED_ITEMS, limit=PRUNE_BATCH_SIZE),
                await prune_inbox(connection, older_than=KEEP_INBOX, limit=PRUNE_BATCH_SIZE),
            )
        return PRUNE_BATCH_SIZE in deleted

    async def _measure(self) -> None:
        async with self.database.transaction() as connection:
            bus = await measure_backlog(connection, transport="bus")
            http = await measure_backlog(connection, transport="http")
            set_aside = await count_set_aside(connection)
        for transport, backlog in (("bus", bus), ("http", http)):
            self.metrics.outbox_backlog.labels(transport).set(backlog.messages)
            self.metrics.outbox_oldest.labels(transport).set(backlog.oldest_seconds)
            self.metrics.outbox_abandoned.labels(transport).set(backlog.given_up)
        self._reported.update(set_aside)
        for worker in self._reported:
            self.metrics.set_aside_items.labels(worker).set(set_aside.get(worker, 0))
