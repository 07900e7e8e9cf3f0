"""What a worker loop promises: it continues whatever happens, rests when idle, and wakes immediately."""

import asyncio
import time

import pytest
from event_contracts import Unavailable
from service_kit.tests.builders import captured_logs, running
from service_kit.tests.waiting import eventually
from service_kit.work import outages
from service_kit.work import worker as worker_module
from service_kit.work.back_off import BackOff
from service_kit.work.loop_watchdog import LoopWatchdog
from service_kit.work.worker import Wakeup, Worker


class Steps:
    """A step that does as planned, and then has nothing to do."""

    def __init__(self, *plan: float | Exception | None) -> None:
        self.plan = list(plan)
        self.times: list[float] = []

    async def __call__(self) -> float | None:
        self.times.append(time.perf_counter())
        if not self.plan:
            return None
        outcome = self.plan.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def gaps(self) -> list[float]:
        """Seconds between the calls."""
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]


async def test_a_worker_goes_on_without_a_rest_while_there_is_work() -> None:
    steps = Steps(0, 0, 0)

    async with running(Worker(name="w", step=steps, max_rest_seconds=60).run):
        await eventually(lambda: len(steps.times) == 4)


async def test_a_worker_looks_again_when_the_next_item_is_due() -> None:
    steps = Steps(*[0.1] * 3)

    async with running(Worker(name="w", step=steps, max_rest_seconds=60).run):
        await eventually(lambda: len(steps.times) == 4)

    assert min(steps.gaps()) >= 0.09


async def test_an_idle_worker_looks_again_after_its_longest_rest() -> None:
    steps = Steps(None, 3600)

    async with running(Worker(name="w", step=steps, max_rest_seconds=0.1).run):
        await eventually(lambda: len(steps.times) >= 4)

    assert min(steps.gaps()) >= 0.09


async def test_a_wakeup_ends_the_rest() -> None:
    steps, alarm = Steps(), Wakeup()

    async with running(Worker(name="w", step=steps, max_rest_seconds=3600, wakeup=alarm).run):
        await eventually(lambda: len(steps.times) == 1)
        alarm.wake()
        await eventually(lambda: len(steps.times) == 2)


async def test_a_wakeup_during_a_step_is_not_forgotten() -> None:
    alarm, calls = Wakeup(), 0

    async def step() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            alarm.wake()
            await asyncio.sleep(0.01)

    async with running(Worker(name="w", step=step, max_rest_seconds=3600, wakeup=alarm).run):
        await eventually(lambda: calls == 2)


async def test_a_failing_step_is_repeated_after_growing_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "RETRY", BackOff(first_seconds=0.05, longest_seconds=0.2))
    steps = Steps(*[ValueError("a bug") for _ in range(5)], 0)

    with captured_logs() as logs:
        async with running(Worker(name="sender", step=steps, max_rest_seconds=3600).run):
            await eventually(lambda: len(steps.times) == 7)

    for gap, delay in zip(steps.gaps(), (0.05, 0.1, 0.2, 0.2, 0.2), strict=False):
        assert gap >= 0.75 * delay
    failed = [entry for entry in logs if entry["event"] == "worker.step_failed"]
    assert [entry["worker"] for entry in failed] == ["sender"] * 5
    assert [entry["retry_in_seconds"] for entry in failed] == [0.05, 0.1, 0.2, 0.2, 0.2]


async def test_delays_are_short_again_after_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "RETRY", BackOff(first_seconds=0.01, longest_seconds=10.0))
    steps = Steps(*[ValueError("a bug")] * 5, 0, ValueError("again"), 0)

    with captured_logs() as logs:
        async with running(Worker(name="w", step=steps, max_rest_seconds=3600).run):
            await eventually(lambda: len(steps.times) == 9)

    delays = [entry["retry_in_seconds"] for entry in logs if entry["event"] == "worker.step_failed"]
    assert delays == [0.01, 0.02, 0.04, 0.08, 0.16, 0.01]


async def test_a_worker_survives_thousands_of_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "RETRY", BackOff(first_seconds=0.0, longest_seconds=0.0))
    steps = Steps(*[ConnectionError("away")] * 3000)

    with captured_logs():
        async with running(Worker(name="w", step=steps, max_rest_seconds=3600).run):
            await eventually(lambda: len(steps.times) > 3000)


async def test_an_outage_is_one_line_however_many_workers_meet_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "RETRY", BackOff(first_seconds=0.001, longest_seconds=0.001))
    monkeypatch.setattr(worker_module, "OUTAGES", outages.Outages())
    both = [Steps(*[Unavailable("no database", retry_after=1)] * 50) for _ in range(2)]

    with captured_logs() as logs:
        workers = [Worker(name=f"w{place}", step=steps) for place, steps in enumerate(both)]
        async with running(*(worker.run for worker in workers)):
            await eventually(lambda: all(len(steps.times) > 50 for steps in both))

    lines = [entry["event"] for entry in logs]
    assert lines == ["infrastructure.unavailable", "infrastructure.recovered"]
    assert not any("exc_info" in entry for entry in logs)


def test_an_outage_that_lasts_is_repeated_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    reported = outages.Outages()

    with captured_logs() as logs:
        for _ in range(600):
            reported.report("w", ConnectionError("away"))
            now += 0.5

    assert len(logs) == 5
    assert logs[-1]["for_seconds"] == 240
    assert logs[-1]["failed_steps"] == 481


async def test_a_failing_worker_has_no_heartbeat() -> None:
    failing = Worker(name="w", step=Steps(*[ConnectionError("away")] * 1000))
    idle = Worker(name="i", step=Steps(*[0.01] * 1000))

    with captured_logs():
        async with running(failing.run, idle.run):
            await eventually(lambda: failing.heartbeat.silent_seconds() > 0.5)

            assert idle.heartbeat.silent_seconds() < failing.heartbeat.silent_seconds()


async def test_a_cancelled_worker_stops_in_the_middle_of_its_step() -> None:
    started = asyncio.Event()

    async def step() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(Worker(name="w", step=step).run())
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_watchdog_reports_what_holds_the_event_loop() -> None:
    lags: list[float] = []

    with captured_logs() as logs:
        async with running(LoopWatchdog([lags.append]).run):
            await asyncio.sleep(0)
            time.sleep(0.3)  # noqa: ASYNC251 - what the watchdog is for
            await eventually(lambda: bool(lags))

    assert max(lags) >= 0.2
    assert logs[0]["event"] == "event_loop.blocked"


async def test_an_idle_worker_rests_longer_and_still_wakes_immediately() -> None:
    steps = Steps()
    worker = Worker(name="w", step=steps, max_rest_seconds=0.1)

    async with running(worker.run):
        await eventually(lambda: len(steps.times) == worker_module.QUIET_RESTS + 3)
        asked, woken = len(steps.times), time.perf_counter()
        worker.wakeup.wake()
        await eventually(lambda: len(steps.times) > asked)

    assert steps.gaps()[worker_module.QUIET_RESTS + 1] >= 0.1 * worker_module.QUIET_FACTOR - 0.01
    assert steps.gaps()[0] < 0.1 * worker_module.QUIET_FACTOR
    assert steps.times[asked] - woken < 0.1
