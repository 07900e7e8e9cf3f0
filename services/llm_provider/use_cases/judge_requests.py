"""Judge what is in the queue: take what the meters grant, call, and have the calls recorded."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import structlog

from llm_provider.domain.announcing import call_begins
from llm_provider.domain.calls import Call
from llm_provider.domain.errors import JudgeBusy
from llm_provider.domain.metering import given_back
from llm_provider.domain.request import QueueId, Taken
from llm_provider.ports import Pause, Pulse, Store
from llm_provider.use_cases.record_calls import RecordCalls

log = structlog.get_logger()

IDLE_SECONDS = 0.25
FAILED_STEP_SECONDS = 1.0
HEARTBEATS_A_LEASE = 3


@dataclass(frozen=True, kw_only=True)
class JudgeRequests:
    """The worker of one provider: up to ``concurrency`` calls at a time, results written as they come."""

    provider: str
    prepare: Callable[[], Awaitable[None]]
    make_call: Callable[[Taken], Awaitable[Call]]
    record: RecordCalls
    store: Store
    concurrency: int
    lease: timedelta
    drain: timedelta
    busy_pause: timedelta
    announce_calls: bool
    pause: Pause
    pulse: Pulse
    worker: UUID = field(default_factory=uuid4)
    calling: dict[QueueId, Taken] = field(default_factory=dict)
    done: list[Call] = field(default_factory=list)
    unmade: list[Taken] = field(default_factory=list)
    held: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the worker is called in the logs."""
        return f"judge-{self.provider}"

    async def run(self) -> None:
        """Judge until cancelled; then wait a little for the calls that are being made."""
        await self.prepare()
        async with asyncio.TaskGroup() as group:
            heartbeat = group.create_task(self._keep_leases())
            try:
                await self._work(group)
            finally:
                await self._drain()
                heartbeat.cancel()

    async def _work(self, group: asyncio.TaskGroup) -> None:
        while True:
            try:
                await self._step(group)
                self.pulse.beat()
            except Exception:  # the outermost loop of a worker: nothing above it could go on
                log.exception("judge.step_failed", provider=self.provider)
                await asyncio.sleep(FAILED_STEP_SECONDS)
                continue
            # Whatever came meanwhile ends this at once: a step after every step would find nothing most times.
            await self.pause.wait(self._rest())

    def _rest(self) -> float:
        """How long to look away: nobody says when a hold is over."""
        now = time.monotonic()
        return min([IDLE_SECONDS, *(until - now for until in self.held.values() if until > now)])

    async def _step(self, group: asyncio.TaskGroup) -> None:
        await self._record_done()
        await self._give_back_unmade()
        for taken in await self._take():
            self.calling[taken.queue_id] = taken
            group.create_task(self._call(taken))

    async def _record_done(self) -> None:
        ended, self.done[:] = list(self.done), []
        if ended:
            try:
                await self.record(ended, provider=self.provider)
            except BaseException:
                self.done.extend(ended)
                raise
            for call in ended:
                self.calling.pop(call.queue_id, None)

    async def _take(self) -> Sequence[Taken]:
        free = self.concurrency - len(self.calling)
        # A quarter at a time: a query for every single slot would cost more than it brings.
        if free * 4 < self.concurrency:
            return ()
        async with self.store.transaction() as transaction:
            taken = await transaction.queue.take(provider=self.provider, worker=self.worker, limit=free)
            if self.announce_calls:
                transaction.outbox.announce([call_begins(one.request, attempt=one.attempts) for one in taken])
        return taken

    async def _give_back_unmade(self) -> None:
        unmade, self.unmade[:] = list(self.unmade), []
        if unmade:
            try:
                async with self.store.transaction() as transaction:
                    await transaction.queue.give_back(unmade, worker=self.worker)
                    await transaction.meters.settle(provider=self.provider, settlements=given_back(unmade))
            except BaseException:
                self.unmade.extend(unmade)
                raise
            for taken in unmade:
                self.calling.pop(taken.queue_id, None)

    async def _call(self, taken: Taken) -> None:
        try:
            if self._is_held(taken):  # a Retry-After came after it had been taken
                self.unmade.append(taken)
                return
            call = await self.make_call(taken)
            self.done.append(call)
            await self._hold(call)
        finally:
            self.pause.wake()

    def _is_held(self, taken: Taken) -> bool:
        return self.held.get(taken.request.parameters.model, 0.0) > time.monotonic()

    async def _hold(self, call: Call) -> None:
        """A vendor's Retry-After binds this worker at once, and all others as soon as the database has it."""
        pause = call.retry_after or (self.busy_pause if isinstance(call.error, JudgeBusy) else None)
        if pause is None:
            return
        model = call.taken.request.parameters.model
        until = time.monotonic() + pause.total_seconds()
        self.held[model] = max(self.held.get(model, 0.0), until)
        try:
            async with self.store.transaction() as transaction:
                await transaction.meters.hold(provider=self.provider, model=model, pause=pause)
        except Exception:  # the database is away: nobody can take anything now, and this worker knows
            log.exception("judge.hold_not_shared", provider=self.provider, model=model)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self.lease.total_seconds() / HEARTBEATS_A_LEASE)
            if self.calling:
                await self._renew()

    async def _renew(self) -> None:
        try:
            async with self.store.transaction() as transaction:
                await transaction.queue.renew(self.worker)
        except Exception:  # the database is away: a later beat may still come in time
            log.exception("judge.leases_not_renewed", provider=self.provider)

    async def _drain(self) -> None:
        """Let calls end for a while, write down what has ended, and hand the rest to other workers."""
        deadline = time.monotonic() + self.drain.total_seconds()
        while (
            len(self.calling) > len(self.done) + len(self.unmade)
            and (left := deadline - time.monotonic()) > 0
        ):
            await self.pause.wait(left)
        await self._record_done()
        async with self.store.transaction() as transaction:
            await transaction.queue.release(self.worker)
