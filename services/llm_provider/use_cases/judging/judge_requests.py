"""Judge what is in the queue: take what the meters grant, call, and have the calls recorded."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import structlog

from llm_provider.domain.calls.announcements import call_started
from llm_provider.domain.calls.call import Call
from llm_provider.domain.calls.errors import RateLimitReached
from llm_provider.domain.calls.settlement import unused_settlements
from llm_provider.domain.requests.request import LeasedRequest, QueueId
from llm_provider.ports import FailureCount, Heartbeat, Isolate, StepLog, Store, Unreadable, Wakeup
from llm_provider.ports.worker_names import judge_worker
from llm_provider.use_cases.judging.record_isolated import RecordIsolated

log = structlog.get_logger()

FALLBACK_SECONDS = 5.0
"""How long the worker rests at most: it is woken by the requests that its own process accepts."""

LIMITED_SECONDS = 0.25
"""The shortest rest while requests wait for a limit: several grants are taken together."""

FAILED_STEP_SECONDS = 1.0
RENEWALS_PER_LEASE = 3


@dataclass(kw_only=True)
class JudgeRequests:
    """The worker of one provider: up to ``concurrency`` calls at a time, results are written as they arrive."""

    provider: str
    prepare: Callable[[], Awaitable[None]]
    make_call: Callable[[LeasedRequest], Awaitable[Call]]
    record: RecordIsolated
    store: Store
    concurrency: int
    lease: timedelta
    drain: timedelta
    rate_limit_delay: timedelta
    publish_call_events: bool
    set_aside_unreadable: FailureCount[QueueId]
    count_untaken: FailureCount[QueueId]
    isolate: Isolate
    watch_wait: Callable[[str, float], None]
    steps: StepLog
    wakeup: Wakeup
    heartbeat: Heartbeat
    worker: UUID = field(default_factory=uuid4)
    calling: dict[QueueId, LeasedRequest] = field(default_factory=dict)
    done: list[Call] = field(default_factory=list)
    unused: list[LeasedRequest] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    held_until: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the worker is called in logs and metrics."""
        return judge_worker(self.provider)

    async def run(self) -> None:
        """Judge until cancelled; then wait a little for the calls that are in progress."""
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew_leases())
            try:
                await self._work(group)
            finally:
                await self._drain()
                renewing.cancel()

    async def _work(self, group: asyncio.TaskGroup) -> None:
        is_prepared = False
        while True:
            try:
                if not is_prepared:
                    await self.prepare()
                    is_prepared = True
                rest = await self._step(group)
            except Exception as error:  # the outermost loop of a worker: nothing above it could continue
                self.steps.failed(error)
                await asyncio.sleep(FAILED_STEP_SECONDS)
                continue
            self.heartbeat.beat()
            self.steps.completed()
            # Work that arrived during the step ends this wait immediately. Without a wait, polling after every step
            # would usually find nothing.
            await self.wakeup.wait(rest)

    async def _step(self, group: asyncio.TaskGroup) -> float:
        """One step; returns the seconds to rest."""
        await self._record_done()
        await self._return_unused()
        await self._set_aside_unreadable()
        free = self.concurrency - len(self.calling)
        # Only when a quarter of the slots is free: a query for every single slot would cost more than it gains.
        if free * 4 < self.concurrency:
            return FALLBACK_SECONDS
        leased = await self._take(free, group)
        if self.unreadable or self.done:
            return FAILED_STEP_SECONDS
        return FALLBACK_SECONDS if leased == free else await self._seconds_until_grant()

    async def _record_done(self) -> None:
        ended, self.done = self.done, []
        if ended:
            try:
                not_recorded = await self.record(ended, provider=self.provider)
            except BaseException:
                self.done.extend(ended)  # recording again what was recorded changes nothing
                raise
            self.done.extend(not_recorded)
            kept = {call.queue_id for call in not_recorded}
            for call in ended:
                if call.queue_id not in kept:
                    self.calling.pop(call.queue_id, None)

    async def _take(self, free: int, group: asyncio.TaskGroup) -> int:
        """Lease requests and call for them; returns how many.

        Where a lease fails because of some requests, all others are leased in the same step.
        """
        before = len(self.calling)

        async def lease_next(_: Sequence[int]) -> None:
            await self._lease(free, group)

        async def lease(part: Sequence[QueueId]) -> None:
            await self._lease(len(part), group, among=part)

        if await self.isolate([free], lease_next):
            async with self.store.transaction() as transaction:
                waiting = await transaction.queue.next_waiting(provider=self.provider, limit=free)
            failures = await self.isolate(waiting, lease)
            await self.count_untaken({failure.item: failure.error for failure in failures})
        return len(self.calling) - before

    async def _lease(
        self, limit: int, group: asyncio.TaskGroup, *, among: Sequence[QueueId] | None = None
    ) -> None:
        async with self.store.transaction() as transaction:
            rows = await transaction.queue.take(
                provider=self.provider, worker=self.worker, limit=limit, among=among
            )
            if self.publish_call_events:
                transaction.outbox.announce(
                    [call_started(one.request, attempt=one.attempts) for one in rows.requests]
                )
        self.unreadable.extend(rows.unreadable)
        for one in rows.requests:
            self.calling[one.queue_id] = one
            group.create_task(self._call(one))

    async def _seconds_until_grant(self) -> float:
        """How long to rest when fewer calls were granted than could be made: requests may wait for a limit."""
        async with self.store.transaction() as transaction:
            seconds = await transaction.queue.next_grant_seconds(provider=self.provider)
        if seconds is None:
            return FALLBACK_SECONDS
        rest = min(max(seconds, LIMITED_SECONDS), FALLBACK_SECONDS)
        self.watch_wait(self.provider, rest)
        return rest

    async def _return_unused(self) -> None:
        unused, self.unused = self.unused, []
        try:
            failures = await self.isolate(unused, self._return)
        except BaseException:
            self.unused.extend(unused)
            raise
        # One that cannot be returned comes back when its lease has run out.
        for failure in failures:
            self.steps.failed(failure.error)
        for leased in unused:
            self.calling.pop(leased.queue_id, None)

    async def _return(self, unused: Sequence[LeasedRequest]) -> None:
        async with self.store.transaction() as transaction:
            await transaction.queue.return_unused(unused, worker=self.worker)
            await transaction.meters.settle(provider=self.provider, settlements=unused_settlements(unused))

    async def _set_aside_unreadable(self) -> None:
        if found := {one.queue_id: one.error for one in self.unreadable}:
            await self.set_aside_unreadable(found)
            self.unreadable.clear()

    async def _call(self, leased: LeasedRequest) -> None:
        try:
            if self._is_held(leased):  # a Retry-After came after it had been leased
                self.unused.append(leased)
                return
            call = await self.make_call(leased)
            self.done.append(call)
            await self._hold(call)
        finally:
            self.wakeup.wake()

    def _is_held(self, leased: LeasedRequest) -> bool:
        return self.held_until.get(leased.request.parameters.model, 0.0) > time.monotonic()

    async def _hold(self, call: Call) -> None:
        """A vendor's Retry-After binds this worker immediately, and all others once it is in the database."""
        is_limited = isinstance(call.error, RateLimitReached)
        for_time = call.retry_after or (self.rate_limit_delay if is_limited else None)
        if for_time is None:
            return
        now, model = time.monotonic(), call.requested_model
        for name in [name for name, until in self.held_until.items() if until <= now]:
            del self.held_until[name]
        self.held_until[model] = max(self.held_until.get(model, 0.0), now + for_time.total_seconds())
        try:
            async with self.store.transaction() as transaction:
                await transaction.meters.hold(provider=self.provider, model=model, for_time=for_time)
        # The outermost frame of a call's task: this worker holds the model all the same.
        except Exception as error:
            self.steps.failed(error)

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(self.lease.total_seconds() / RENEWALS_PER_LEASE)
            try:
                for failure in await self.isolate(list(self.calling.values()), self._renew):
                    self.steps.failed(failure.error)
            # The outermost loop of this task: a later renewal may still be in time.
            except Exception as error:
                self.steps.failed(error)

    async def _renew(self, held: Sequence[LeasedRequest]) -> None:
        async with self.store.transaction() as transaction:
            await transaction.queue.renew(held, worker=self.worker)

    async def _drain(self) -> None:
        """Let calls end for a while, record what has ended, and hand the rest to other workers."""
        deadline = time.monotonic() + self.drain.total_seconds()
        while (
            len(self.calling) > len(self.done) + len(self.unused)
            and (left := deadline - time.monotonic()) > 0
        ):
            await self.wakeup.wait(left)
        await self._record_done()
        await self._return_unused()
        for failure in await self.isolate(list(self.calling.values()), self._release):
            self.steps.failed(failure.error)

    async def _release(self, held: Sequence[LeasedRequest]) -> None:
        async with self.store.transaction() as transaction:
            await transaction.queue.release(held, worker=self.worker)
