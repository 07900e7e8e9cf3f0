"""What running a service promises: it comes up whole or not at all, and goes down without dropping anybody."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from event_contracts import ConfigurationError
from quart import Blueprint
from service_kit.http.permissions import open_to_all
from service_kit.messaging.event_bus import BusUnavailable, MemoryEventBus
from service_kit.running import BackgroundLoop, EndedUnexpectedly, Service, run_services
from service_kit.tests.builders import captured_logs
from service_kit.tests.slow_service import ENTERED, slow_service
from service_kit.tests.waiting import eventually
from service_kit.work.worker import Heartbeat, Worker

ENV = """
from service_kit.storage.migration_env import run_migrations
from sqlalchemy import MetaData

run_migrations(MetaData())
"""


class ObservedBus(MemoryEventBus):
    """A memory bus that tells what is done with it, and may take its time to come up."""

    def __init__(self, *, away: int = 0) -> None:
        super().__init__()
        self.seen: list[str] = []
        self._away = away

    async def start(self) -> None:
        if self._away > 0:
            self._away -= 1
            raise BusUnavailable("the broker is starting", retry_after=1)
        self.seen.append("start")

    async def run(self) -> None:
        self.seen.append("run")
        await super().run()

    async def close(self) -> None:
        self.seen.append("close")


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENV)
    return folder


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


@pytest.fixture
def service(database_url: str, port: int, migrations: Path) -> Service:
    return slow_service(database_url, port, migrations)


class Running:
    """Services at work; ``ended`` is what came out of them."""

    def __init__(self, services: Sequence[Service]) -> None:
        self.stop, self.started = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(run_services(services, stop=self.stop, started=self.started))

    async def until_started(self) -> None:
        async with asyncio.timeout(20):
            await asyncio.wait(
                (self.task, asyncio.ensure_future(self.started.wait())), return_when=asyncio.FIRST_COMPLETED
            )
        assert self.started.is_set()

    async def ended(self) -> None:
        self.stop.set()
        async with asyncio.timeout(20):
            await self.task


async def forever() -> None:
    await asyncio.Event().wait()


async def asyncio_tasks(client: httpx2.AsyncClient) -> int:
    text = (await client.get("/metrics")).text
    [tasks] = [line for line in text.splitlines() if line.startswith("asyncio_tasks ")]
    return int(float(tasks.split()[1]))


class Loop:
    """A background loop made of one coroutine function."""

    def __init__(self, name: str, run: Callable[[], object]) -> None:
        self.name = name
        self.heartbeat = Heartbeat()
        self._run = run

    async def run(self) -> None:
        self._run()


async def test_a_started_service_answers(service: Service) -> None:
    running = Running([service])
    await running.until_started()

    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}") as client:
        answer = await client.get("/healthz")

    await running.ended()
    assert answer.status_code == 200


async def test_a_task_that_does_not_end_is_seen_at_metrics(service: Service) -> None:
    running = Running([service])
    await running.until_started()

    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}") as client:
        before = await asyncio_tasks(client)
        leaked = [asyncio.create_task(forever()) for _ in range(50)]
        with_them = await asyncio_tasks(client)
        for task in leaked:
            task.cancel()
        await asyncio.wait(leaked)
        after = await asyncio_tasks(client)

    await running.ended()
    assert 40 < with_them - before < 60
    assert 40 < with_them - after < 60


async def test_a_request_in_progress_is_answered_before_the_service_ends(service: Service) -> None:
    with captured_logs() as logs:
        running = Running([service])
        await running.until_started()

        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}") as client:
            asking = asyncio.create_task(client.get("/slow"))
            await eventually(
                lambda: any(entry["event"] == ENTERED for entry in logs), what="the request begins"
            )
            assert not asking.done()
            running.stop.set()
            answer = await asking
        await running.ended()

    assert answer.json() == {"done": "yes"}


async def test_a_request_in_progress_still_finds_the_workers_at_work(
    database_url: str, port: int, migrations: Path
) -> None:
    asked, worked = asyncio.Event(), asyncio.Event()

    async def step() -> None:
        await asked.wait()
        await asyncio.sleep(0.5)
        worked.set()
        await forever()

    blueprint = Blueprint("working", __name__)

    @blueprint.get("/needs-a-worker")
    @open_to_all("a test")
    async def needs_a_worker() -> dict[str, str]:
        asked.set()
        await worked.wait()
        return {"done": "yes"}

    service = slow_service(database_url, port, migrations, blueprint)
    running = Running([replace(service, workers=[Worker(name="w", step=step)])])
    await running.until_started()

    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        asking = asyncio.create_task(client.get("/needs-a-worker"))
        await asked.wait()
        running.stop.set()
        answer = await asking
    await running.ended()

    assert answer.json() == {"done": "yes"}


async def test_an_idle_client_does_not_delay_the_end(service: Service) -> None:
    running = Running([service])
    await running.until_started()

    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}") as client:
        await client.get("/healthz")
        async with asyncio.timeout(3):
            await running.ended()


async def test_several_services_share_one_bus_and_all_is_closed(database_url: str, migrations: Path) -> None:
    bus, closed = ObservedBus(), []

    def one(name: str) -> Service:
        async def close() -> None:
            closed.append(name)

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        plain = slow_service(database_url, free, migrations)
        return replace(plain, name=name, bus=bus, close=close)

    running = Running([one("first"), one("second")])
    await running.until_started()
    await eventually(lambda: "run" in bus.seen)
    await running.ended()

    assert bus.seen == ["start", "run", "close"]
    assert closed == ["second", "first"]


async def test_workers_work_until_the_end(service: Service) -> None:
    steps = 0

    async def step() -> float:
        nonlocal steps
        steps += 1
        return 0.01

    running = Running([replace(service, workers=[Worker(name="w", step=step)])])
    await running.until_started()
    await eventually(lambda: steps > 3)
    await running.ended()

    seen = steps
    await asyncio.sleep(0.1)
    assert steps == seen


def fails() -> None:
    raise RuntimeError("the worker broke")


@pytest.mark.parametrize(("run", "expected"), [(fails, RuntimeError), (lambda: None, EndedUnexpectedly)])
async def test_a_workers_unexpected_end_ends_everything(
    service: Service, run: Callable[[], object], expected: type[Exception]
) -> None:
    bus = ObservedBus()
    workers: list[BackgroundLoop] = [Worker(name="fine", step=forever), Loop("broken", run)]
    running = Running([replace(service, bus=bus, workers=workers)])

    async with asyncio.timeout(20):
        with pytest.raises(ExceptionGroup) as ended:
            await running.task

    assert ended.group_contains(expected)
    assert bus.seen[-1] == "close"


async def test_a_taken_port_is_named_before_anything_is_done(service: Service) -> None:
    bus = ObservedBus()

    with (
        socket.create_server(("127.0.0.1", service.port)),
        pytest.raises(ConfigurationError, match=f"127.0.0.1:{service.port}.*choose another port"),
    ):
        await Running([replace(service, bus=bus)]).task

    assert bus.seen == []


async def test_a_broker_that_comes_up_later_is_waited_for(service: Service) -> None:
    bus = ObservedBus(away=2)
    running = Running([replace(service, bus=bus)])

    await running.until_started()
    await running.ended()

    assert bus.seen == ["start", "run", "close"]


async def test_an_early_client_waits_instead_of_being_refused(service: Service) -> None:
    running = Running([replace(service, bus=ObservedBus(away=1))])
    await asyncio.sleep(0)

    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=20) as client:
        answer = await client.get("/healthz")

    await running.ended()
    assert answer.status_code == 200


async def test_starting_and_stopping_is_logged(service: Service) -> None:
    with captured_logs() as logs:
        running = Running([service])
        await running.until_started()
        await running.ended()

    events = [entry["event"] for entry in logs]
    assert events.index("service.started") < events.index("service.stopping")


async def until_it_answers(client: httpx2.AsyncClient) -> None:
    """Wait for a program that is starting."""
    async with asyncio.timeout(90):
        while True:
            try:
                await client.get("/healthz", timeout=90)
            except httpx2.ConnectError:
                await asyncio.sleep(0.05)
            else:
                return


async def lines_until(output: asyncio.StreamReader | None, event: str) -> list[bytes]:
    """What a program has printed, as soon as it has logged the event."""
    assert output is not None
    lines: list[bytes] = []
    async with asyncio.timeout(90):
        while not lines or event.encode() not in lines[-1]:
            lines.append(await output.readline())
            assert lines[-1], "the program has ended"
    return lines


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_ends_the_program_cleanly(
    database_url: str, port: int, migrations: Path, number: signal.Signals
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service_kit.tests.slow_service", database_url, str(port), str(migrations),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        await until_it_answers(client)
        asking = asyncio.create_task(client.get("/slow", timeout=10))
        before = await lines_until(process.stdout, ENTERED)
        process.send_signal(number)
        answer = await asking

    async with asyncio.timeout(20):
        output, errors = await process.communicate()
    assert answer.json() == {"done": "yes"}
    assert process.returncode == 0
    assert errors == b""
    assert all(line.startswith(b"{") for line in (*before, *output.splitlines()))
