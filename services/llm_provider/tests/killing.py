"""The service as a process that kills itself at a named point, again and again; a program for the test of kills.

Everything is imported once; every life is a fork of that, so that a hundred of them take a minute.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

import httpx2
from dishka import Provider, Scope, decorate
from llm_provider.domain.calls.call import EndedRequest
from llm_provider.ports import Judge, JudgeCall, JudgeReply, Queue, Rows, Store, Transaction
from llm_provider.providers import Judges, build_service
from llm_provider.settings import Settings
from service_kit.messaging.event_bus import EventBus, Message
from service_kit.running import run_services, run_until_signalled
from service_kit.telemetry.logging import configure_logging


class Point(StrEnum):
    """Where the process ends."""

    AFTER_CLAIM = "after_claim"
    AFTER_ANSWER = "after_answer"
    AFTER_COMMIT = "after_commit"
    BEFORE_PUBLISH = "before_publish"


@dataclass
class Fuse:
    """Ends the process, as kill -9 does, when it passes the point for the n-th time; 0 is never."""

    point: Point
    left: int

    def pass_by(self, point: Point) -> None:
        if point is not self.point or self.left == 0:
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class FusedJudge:
    """A judge whose answer may be the last thing that this process hears."""

    def __init__(self, judge: Judge, fuse: Fuse) -> None:
        self._judge = judge
        self._fuse = fuse

    async def judge(self, call: JudgeCall) -> JudgeReply:
        reply = await self._judge.judge(call)
        self._fuse.pass_by(Point.AFTER_ANSWER)
        return reply


class WatchedQueue:
    """Notes what a transaction does to the queue."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.done: set[Point] = set()

    async def take(self, **how: object) -> Rows:
        rows = await self._queue.take(**how)  # type: ignore[arg-type]  # passed on as it came
        if rows.requests:
            self.done.add(Point.AFTER_CLAIM)
        return rows

    async def end(self, ended: Sequence[EndedRequest]) -> None:
        await self._queue.end(ended)
        if ended:
            self.done.add(Point.AFTER_COMMIT)

    def __getattr__(self, name: str) -> object:
        return getattr(self._queue, name)


class FusedStore:
    """A store some of whose commits may be the last."""

    def __init__(self, store: Store, fuse: Fuse) -> None:
        self._store = store
        self._fuse = fuse

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        async with self._store.transaction() as transaction:
            watched = WatchedQueue(transaction.queue)
            transaction.queue = watched  # type: ignore[misc, assignment]  # it answers to all that a queue does
            yield transaction
        for point in watched.done:
            self._fuse.pass_by(point)


class FusedBus:
    """A bus before which the process may end."""

    def __init__(self, bus: EventBus, fuse: Fuse) -> None:
        self._bus = bus
        self._fuse = fuse

    async def publish(self, messages: Sequence[Message]) -> None:
        self._fuse.pass_by(Point.BEFORE_PUBLISH)
        await self._bus.publish(messages)

    def __getattr__(self, name: str) -> object:
        return getattr(self._bus, name)


class Fused(Provider):
    """Puts the fuse into the service."""

    scope = Scope.APP

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    @decorate
    def judges(self, judges: Judges) -> Judges:
        live: dict[str, Judge] = {name: FusedJudge(judge, self._fuse) for name, judge in judges.live.items()}
        return replace(judges, live=live)

    @decorate
    def store(self, store: Store) -> Store:
        return FusedStore(store, self._fuse)

    @decorate
    def bus(self, bus: EventBus) -> EventBus:
        return FusedBus(bus, self._fuse)  # type: ignore[return-value]  # it answers to all that a bus does


def live(settings: Settings, fuse: Fuse) -> None:
    """One life of the service."""

    async def serve(stop: asyncio.Event) -> None:
        service = await build_service(settings, bus=None, overrides=[Fused(fuse)])
        await run_services([service], stop=stop)

    run_until_signalled(serve)


def main(order: str) -> None:
    """Live ``kills`` short lives and then a long one; says on stdout when each is over."""
    given = json.loads(order)
    settings, point = Settings.model_validate(given["settings"]), Point(given["point"])
    configure_logging(service="killed", level="error")
    httpx2.AsyncClient()  # reads much code and all certificates when it is first made
    luck = random.Random(given["seed"])
    for _ in range(given["kills"]):
        child = _fork(settings, Fuse(point, luck.randint(1, given["longest_life"])))
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else f"ended: {status}", flush=True)
    last = _fork(settings, Fuse(point, 0))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(last, signal.SIGTERM))
    os.waitpid(last, 0)


def _fork(settings: Settings, fuse: Fuse) -> int:
    child = os.fork()
    if child == 0:
        live(settings, fuse)
        os._exit(0)
    return child


if __name__ == "__main__":
    main(sys.argv[1])
