"""What the tests of the service kit build and watch: events, messages, a subscriber that remembers, a bus that runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import structlog
from event_contracts import EventEnvelope, ResourceConsumptionV1
from prometheus_client import CollectorRegistry
from service_kit.messaging.event_bus import EventBus, Message, NotPublished, Record
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tests.waiting import eventually
from service_kit.work.retention import common_rules
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import LogCapture


def consumption(batch_id: str = "batch-1", *, quantity: int = 1) -> EventEnvelope[ResourceConsumptionV1]:
    """A small event with every rule of the envelope."""
    now = datetime.now(UTC)
    return EventEnvelope.wrap(
        ResourceConsumptionV1(
            event_name="resource.consumption.reported",
            entity_id=batch_id,
            entity_type="batch",
            timestamp=now,
            user_id="teacher-1",
            quantity=quantity,
            service_name="cj_assessment_service",
            processing_id="job-1",
            consumed_at=now,
        ),
        source_service="cj_assessment_service",
        correlation_id=uuid4(),
    )


def messages(topic: str, keys: Iterable[str], *, count: int) -> list[Message]:
    """``count`` messages for each key, numbered from 0, the keys taking turns."""
    names = list(keys)
    return [
        Message(topic=topic, key=name.encode(), value=str(number).encode())
        for number in range(count)
        for name in names
    ]


def numbers_by_key(records: Iterable[Record]) -> dict[str, list[int]]:
    """The numbers that ``messages`` wrote, as they arrived, by key."""
    found: dict[str, list[int]] = {}
    for record in records:
        assert record.key is not None
        assert record.value is not None
        found.setdefault(record.key.decode(), []).append(int(record.value))
    return found


def new_metrics() -> ServiceMetrics:
    """Metrics in a registry of their own."""
    return ServiceMetrics(CollectorRegistry())


def metric(metrics: ServiceMetrics, name: str, **labels: str) -> float:
    """The value of one sample, 0 if there is none."""
    return metrics.registry.get_sample_value(name, labels) or 0.0


class Recorder:
    """A handler that remembers what it was given, and does what it is told first."""

    def __init__(self, before: Callable[[Sequence[Record]], Awaitable[None]] | None = None) -> None:
        self.batches: list[list[Record]] = []
        self.calls = 0
        self._before = before

    async def __call__(self, records: Sequence[Record]) -> None:
        self.calls += 1
        if self._before is not None:
            await self._before(records)
        self.batches.append(list(records))

    @property
    def records(self) -> list[Record]:
        """Everything that was handled, in order."""
        return [record for batch in self.batches for record in batch]

    @property
    def values(self) -> list[bytes | None]:
        """The values of everything that was handled, in order."""
        return [record.value for record in self.records]

    async def until(self, count: int) -> None:
        """Wait until this many records were handled."""
        await eventually(lambda: len(self.records) >= count)


def fails_first(times: int) -> Callable[[Sequence[Record]], Awaitable[None]]:
    """For ``Recorder``: fail that often, then let everything through."""
    left = times

    async def fail(_records: Sequence[Record]) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            raise ConnectionError("the handler's database is unavailable")

    return fail


async def publish_until_safe(bus: EventBus, sent: Sequence[Message]) -> None:
    """What the outbox does: publish again what was refused."""
    left = list(sent)
    while left:
        try:
            await bus.publish(left)
        except NotPublished as error:
            left = [message for place, message in enumerate(left) if place in error.refusals]
        else:
            return


@asynccontextmanager
async def running(*loops: Callable[[], Awaitable[None]]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run the loops until the context ends; what one of them raises by itself is raised here."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run(loop)) for loop in loops]
        try:
            yield tasks
        finally:
            for task in tasks:
                task.cancel()


async def _run(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()


@contextmanager
def captured_logs() -> Iterator[list[structlog.typing.EventDict]]:
    """The log entries made meanwhile, by every logger, however early it was made."""
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    try:
        yield capture.entries
    finally:
        structlog.configure(**before)


async def prune(connection: AsyncConnection, name: str, *, limit: int) -> int:
    """Apply one of the rules that every service has; returns the number of rows deleted."""
    rule = next(rule for rule in common_rules() if rule.name == name)
    return (await connection.execute(rule.statement, {"age": rule.keep, "limit": limit})).rowcount
