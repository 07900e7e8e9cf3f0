"""What a worker loop promises: it goes on whatever happens, sleeps when idle, and wakes at once."""

import asyncio
import time

import pytest
from service_kit.tests.builders import captured_logs, eventually, running
from service_kit.work import worker as wakeup
from service_kit.work.worker import Wakeup, Worker


class Steps:
    """A step that does as planned, and then finds nothing to do."""

    def __init__(self, *plan: bool | Exception) -> None:
        self.plan = list(plan)
        self.times: list[float] = []

    async def __call__(self) -> bool:
        self.times.append(time.perf_counter())
        if not self.plan:
            return False
        outcome = self.plan.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def gaps(self) -> list[float]:
        """Seconds between the calls."""
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]


async def test_a_worker_goes_on_without_a_pause_while_there_is_work() -> None:
    steps = Steps(True, True, True, False)

    async with running(Worker(name="w", step=steps, idle_seconds=60).run):
        await eventually(lambda: len(steps.times) == 4)

    assert max(steps.gaps()) < 5


async def test_an_idle_worker_looks_again_after_its_idle_time() -> None:
    steps = Steps()

    async with running(Worker(name="w", step=steps, idle_seconds=0.1).run):
        await eventually(lambda: len(steps.times) >= 4)

    assert min(steps.gaps()) >= 0.09


async def test_a_wakeup_ends_the_idle_time() -> None:
    steps, alarm = Steps(), Wakeup()

    async with running(Worker(name="w", step=steps, idle_seconds=60, wakeup=alarm).run):
        await eventually(lambda: len(steps.times) == 1)
        alarm.wake()
        await eventually(lambda: len(steps.times) == 2, within=10)


async def test_a_wakeup_during_a_step_is_not_forgotten() -> None:
    alarm, calls = Wakeup(), 0

    async def step() -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            alarm.wake()
            await asyncio.sleep(0.01)
        return False

    async with running(Worker(name="w", step=step, idle_seconds=60, wakeup=alarm).run):
        await eventually(lambda: calls == 2, within=10)


async def test_a_failing_step_is_tried_again_after_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(wakeup, "LONGEST_PAUSE_SECONDS", 0.2)
    steps = Steps(*[ConnectionError("away") for _ in range(5)], True)

    with captured_logs() as logs:
        async with running(Worker(name="sender", step=steps, idle_seconds=60).run):
            await eventually(lambda: len(steps.times) == 7)

    for gap, pause in zip(steps.gaps(), (0.05, 0.1, 0.2, 0.2, 0.2), strict=False):
        assert gap >= 0.75 * pause
    failed = [entry for entry in logs if entry["event"] == "worker.step_failed"]
    assert [entry["worker"] for entry in failed] == ["sender"] * 5
    assert [entry["retry_in_seconds"] for entry in failed] == [0.05, 0.1, 0.2, 0.2, 0.2]


async def test_pauses_are_short_again_after_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "FIRST_PAUSE_SECONDS", 0.01)
    steps = Steps(*[ConnectionError("away")] * 5, True, ConnectionError("away again"), True)

    with captured_logs() as logs:
        async with running(Worker(name="w", step=steps, idle_seconds=60).run):
            await eventually(lambda: len(steps.times) == 9)

    pauses = [entry["retry_in_seconds"] for entry in logs if entry["event"] == "worker.step_failed"]
    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.16, 0.01]


async def test_a_worker_survives_thousands_of_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(wakeup, "LONGEST_PAUSE_SECONDS", 0.0)
    steps = Steps(*[ConnectionError("away")] * 3000)

    with captured_logs():
        async with running(Worker(name="w", step=steps, idle_seconds=60).run):
            await eventually(lambda: len(steps.times) > 3000)


async def test_a_cancelled_worker_stops_in_the_middle_of_its_step() -> None:
    started = asyncio.Event()

    async def step() -> bool:
        started.set()
        await asyncio.sleep(60)
        return True

    task = asyncio.create_task(Worker(name="w", step=step).run())
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
