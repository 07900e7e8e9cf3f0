"""Workers whose items cannot stop each other: an item that fails is tried again by itself, and set aside in the end.

The rule for both workers: ``take`` returns keys only, and whatever is done with a key loads and parses what it needs.
So an unreadable row cannot make a take fail.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import structlog

from service_kit.storage.database import Database
from service_kit.storage.errors import is_infrastructure_error
from service_kit.telemetry.error_text import error_code, error_text
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.work.failed_items import (
    DEFAULT_RETRY_RULES,
    RetryRules,
    clear_failures,
    mark_set_aside,
    record_failures,
    retrying_items,
)
from service_kit.work.isolation import Failure, isolate, isolate_largest_first
from service_kit.work.outages import OUTAGES
from service_kit.work.worker import (
    FALLBACK_SECONDS,
    IMMEDIATELY,
    RETRY,
    Heartbeat,
    Wakeup,
    Worker,
)

log = structlog.get_logger()

KeyT = TypeVar("KeyT")
DueKeyT = TypeVar("DueKeyT", covariant=True)


class DueItems(Protocol[DueKeyT]):
    """Keys of items to work on now, and the seconds until more are due (0: immediately, None: only after a wake-up)."""

    @property
    def keys(self) -> Sequence[DueKeyT]:
        """No more than were asked for."""

    @property
    def rest_seconds(self) -> float | None:
        """When to ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAsideReason:
    """Why an item is no longer tried."""

    error_code: str
    message: str
    attempts: int


Take = Callable[[int], Awaitable[DueItems[KeyT]]]
"""Takes up to this many keys; leaves out those of ``is_retryable_sql`` that wait or were set aside."""

SetAside = Callable[[KeyT, SetAsideReason], Awaitable[None]]
"""Ends what an item that was set aside represents: its batch fails, its request gets its error callback."""


async def only_list(key: object, reason: SetAsideReason) -> None:
    """For items that represent nothing that could be ended: they are listed, and that is all."""


@dataclass(kw_only=True)
class FailureRecord(Generic[KeyT]):
    """The failures of one worker's items, in the service's database."""

    worker: str
    database: Database
    metrics: ServiceMetrics
    set_aside: SetAside[KeyT]
    rules: RetryRules = DEFAULT_RETRY_RULES
    _retried: set[str] = field(default_factory=set, init=False)
    _unrecorded: Counter[str] = field(default_factory=Counter, init=False)
    """Failed attempts of items whose failure cannot be written down."""

    _is_loaded: bool = field(default=False, init=False)

    async def load(self) -> None:
        """Learn once which items had failed before this process was started."""
        if not self._is_loaded:
            async with self.database.transaction() as connection:
                self._retried.update(await retrying_items(connection, worker=self.worker))
            self._is_loaded = True

    async def succeeded(self, keys: Sequence[KeyT]) -> None:
        """Forget earlier failures of items that were handled now."""
        healed = self._retried & {str(key) for key in keys}
        if healed:
            async with self.database.transaction() as connection:
                await clear_failures(connection, worker=self.worker, items=healed)
            self._retried -= healed

    async def failed(self, failures: Sequence[Failure[KeyT]]) -> None:
        """Count the failures, and set aside what has failed too often."""
        by_key = {str(failure.item): failure for failure in failures}
        explained: set[str] = set()
        for key, attempts in (await self._attempts(by_key)).items():
            self.metrics.workers.item_failures.labels(self.worker).inc()
            error, reason = by_key[key].error, error_text(by_key[key].error)
            # Log one traceback per distinct error: writing one takes longer than handling an item.
            traceback = None if reason in explained else error
            explained.add(reason)
            if attempts < self.rules.max_attempts:
                log.warning(
                    "item.failed",
                    worker=self.worker,
                    item=key,
                    attempts=attempts,
                    error_code=error_code(error),
                    reason=reason,
                    exc_info=traceback,
                )
                continue
            await self._set_aside(by_key[key], attempts)
            log.error(
                "item.set_aside",
                worker=self.worker,
                item=key,
                attempts=attempts,
                error_code=error_code(error),
                reason=reason,
                exc_info=traceback,
            )

    async def _attempts(self, failures: Mapping[str, Failure[KeyT]]) -> Mapping[str, int]:
        """Write the failures down; returns how often each item has failed, by its key."""
        attempts: dict[str, int] = {}

        async def record(part: Sequence[str]) -> None:
            errors = {key: failures[key].error for key in part}
            async with self.database.transaction() as connection:
                recorded = await record_failures(
                    connection, worker=self.worker, failures=errors, rules=self.rules
                )
            attempts.update({item.item: item.attempts for item in recorded})

        unrecorded = await isolate(list(failures), record)
        self._retried.update(attempts)
        for failure in unrecorded:
            log.error("item.failure_not_recorded", worker=self.worker, exc_info=failure.error)
            self._unrecorded[failure.item] += 1
            attempts[failure.item] = self._unrecorded[failure.item]
        return attempts

    async def _set_aside(self, failure: Failure[KeyT], attempts: int) -> None:
        """End what the item represents first: a crash before the mark does both again."""
        item = str(failure.item)
        reason = SetAsideReason(
            error_code=error_code(failure.error), message=error_text(failure.error), attempts=attempts
        )

        async def end(_: Sequence[str]) -> None:
            await self.set_aside(failure.item, reason)

        async def mark(_: Sequence[str]) -> None:
            async with self.database.transaction() as connection:
                await mark_set_aside(connection, worker=self.worker, item=item)

        for step in (end, mark):
            for incomplete in await isolate([item], step):
                log.error(
                    "item.set_aside_incomplete",
                    worker=self.worker,
                    item=item,
                    exc_info=incomplete.error,
                )
        self._retried.discard(item)
        self._unrecorded.pop(item, None)
        self.metrics.workers.items_set_aside.labels(self.worker).inc()


@dataclass(frozen=True, kw_only=True)
class ItemWorker(Generic[KeyT]):
    """Works on sets of items: a set that fails is narrowed to the item at fault, the others continue in the same step.

    ``handle`` does all of a set or nothing (see ``isolate``).
    """

    name: str
    take: Take[KeyT]
    handle: Callable[[Sequence[KeyT]], Awaitable[None]]
    failures: FailureRecord[KeyT]
    batch_size: int
    max_rest_seconds: float = FALLBACK_SECONDS
    wakeup: Wakeup = field(default_factory=Wakeup)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)

    async def run(self) -> None:
        """Run until cancelled."""
        await Worker(
            name=self.name,
            step=self.step,
            max_rest_seconds=self.max_rest_seconds,
            wakeup=self.wakeup,
            heartbeat=self.heartbeat,
        ).run()

    async def step(self) -> float | None:
        """Work on one set; raises errors of the infrastructure only."""
        await self.failures.load()
        taken = await self.take(self.batch_size)
        if not taken.keys:
            return taken.rest_seconds
        failures = await isolate_largest_first(taken.keys, self.handle)
        failed = {failure.item for failure in failures}
        await self.failures.succeeded([key for key in taken.keys if key not in failed])
        if failures:
            await self.failures.failed(failures)
        return taken.rest_seconds


@dataclass(kw_only=True)
class TaskWorker(Generic[KeyT]):
    """Works on each item in a task of its own, ``concurrency`` at a time: a slow or failing item delays no other.

    ``take`` may return keys that are being worked on already; they are left alone. With ``takes_leases`` it keeps what
    it returns from being taken again for a while, and is asked for no more than can be started immediately.
    """

    name: str
    take: Take[KeyT]
    handle: Callable[[KeyT], Awaitable[None]]
    failures: FailureRecord[KeyT]
    concurrency: int
    takes_leases: bool = False
    max_rest_seconds: float = FALLBACK_SECONDS
    wakeup: Wakeup = field(default_factory=Wakeup)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    _working_on: set[KeyT] = field(default_factory=set, init=False)

    async def run(self) -> None:
        """Run until cancelled; items that are being worked on are cancelled with it."""
        async with asyncio.TaskGroup() as tasks:

            async def step() -> float | None:
                return await self._start(tasks)

            await Worker(
                name=self.name,
                step=step,
                max_rest_seconds=self.max_rest_seconds,
                wakeup=self.wakeup,
                heartbeat=self.heartbeat,
            ).run()

    async def _start(self, tasks: asyncio.TaskGroup) -> float | None:
        await self.failures.load()
        slots = self.concurrency - len(self._working_on)
        if slots <= 0:
            return None  # the next item that is done wakes this worker
        # A key that is finished during the take is still in its result: it was read before.
        busy = set(self._working_on)
        taken = await self.take(slots if self.takes_leases else slots + len(busy))
        new = [key for key in taken.keys if key not in busy][:slots]
        for key in new:
            self._working_on.add(key)
            tasks.create_task(self._work_on(key))
        return taken.rest_seconds if new or taken.rest_seconds != IMMEDIATELY else None

    async def _work_on(self, key: KeyT) -> None:
        try:
            await self._handle(key)
        except Exception as error:  # the outermost frame of an item's task: nothing above it could continue
            if is_infrastructure_error(error):
                OUTAGES.report(self.name, error)
            else:
                log.exception("item.failure_not_recorded", worker=self.name, item=str(key))
            # Before it is taken again, whatever has happened: a task that fails immediately must not spin.
            await asyncio.sleep(RETRY.first_seconds)
        finally:
            self._working_on.discard(key)
            self.wakeup.wake()

    async def _handle(self, key: KeyT) -> None:
        try:
            await self.handle(key)
        except Exception as error:
            if is_infrastructure_error(error):
                raise
            await self.failures.failed([Failure(key, error)])
        else:
            OUTAGES.recovered(self.name)
            await self.failures.succeeded([key])
