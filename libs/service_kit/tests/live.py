"""Serves a service's HTTP application from a thread, so that tests that block, such as schemathesis', can call it."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import httpx2
from service_kit.running import Service, run_services
from service_kit.tests.tokens import ADMIN

PROBE_SECONDS: Final = 0.005
ATTEMPTS: Final = 5
MAX_LAG_SECONDS: Final = 0.1
START_TIMEOUT_SECONDS: Final = 120.0


@dataclass
class Live:
    """A service that answers; ``longest_lag`` is the longest time for which its event loop was not free, in seconds.

    It counts what this process computed in that time, so that other processes of a busy machine add nothing.
    """

    url: str = ""
    longest_lag: float = 0.0

    def client(self) -> httpx2.Client:
        """A client of the service, which shows an administrator's token unless a request shows another."""
        return httpx2.Client(base_url=self.url, timeout=60, headers=ADMIN)

    def lag_of(self, send: Callable[[], object]) -> float:
        """The lag that a call causes, at best: a collection of garbage, for one, may fall into any of them."""
        lags = []
        for _ in range(ATTEMPTS):
            self.longest_lag = 0.0
            send()
            lags.append(self.longest_lag)
            if lags[-1] < MAX_LAG_SECONDS:
                break
        return min(lags)


@contextmanager
def live(assemble: Callable[[], Awaitable[Service]]) -> Iterator[Live]:
    """Serve without workers until the context ends: what is asked here is what the routes answer."""
    running = Live()
    loop = asyncio.new_event_loop()
    stop, started, failed = asyncio.Event(), threading.Event(), list[BaseException]()

    async def serve() -> None:
        service = await assemble()
        running.url = f"http://{service.host}:{service.port}"
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(run_services([replace(service, workers=())], stop=stop, started=ready))
            watching = group.create_task(_watch(running))
            await ready.wait()
            started.set()
            await stop.wait()
            watching.cancel()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:  # told to the test, whatever it is
            failed.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="live-service", daemon=True)
    thread.start()
    assert started.wait(START_TIMEOUT_SECONDS), "the service does not start"
    if failed:
        raise failed[0]
    try:
        yield running
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(START_TIMEOUT_SECONDS)


async def _watch(running: Live) -> None:
    loop = asyncio.get_running_loop()
    while True:
        asleep_at, computed = loop.time(), time.process_time()
        await asyncio.sleep(PROBE_SECONDS)
        late = loop.time() - asleep_at - PROBE_SECONDS
        running.longest_lag = max(running.longest_lag, min(late, time.process_time() - computed))
