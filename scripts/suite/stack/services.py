"""The three services in this process, on real ports and one memory bus."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import batch_conductor.assembly
import cj_assessment.assembly
import llm_provider.assembly
import structlog
from event_contracts import ProcessingError, SuiteError
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.running import Service, run_services

from suite.stack.configuration import Configuration

log = structlog.get_logger()


@asynccontextmanager
async def services_running(configuration: Configuration, failed: asyncio.Future[None]) -> AsyncIterator[None]:
    """Run the services until the context ends; a service that fails, or ``failed``, ends it with the error itself."""
    services = await _assemble(configuration)
    stop, started = asyncio.Event(), asyncio.Event()
    with _one_error():
        async with asyncio.TaskGroup() as group:
            running = group.create_task(_run(services, stop=stop, started=started))
            starting = group.create_task(started.wait())
            await asyncio.wait((running, starting), return_when=asyncio.FIRST_COMPLETED)
            starting.cancel()
            watching = group.create_task(_until_failed(failed))
            try:
                if started.is_set():
                    yield
            finally:
                stop.set()
                watching.cancel()


async def _run(services: list[Service], *, stop: asyncio.Event, started: asyncio.Event) -> None:
    """Run the services; what goes wrong while they close is logged, and anything before that ends the stack."""
    try:
        await run_services(services, stop=stop, started=started)
    except Exception as error:  # the outermost frame of the services: what it raises goes to a terminal
        log.error("stack.services_failed", stopping=stop.is_set(), exc_info=error)
        if stop.is_set():
            return
        first = _first(error)
        if isinstance(first, SuiteError):
            raise first from error
        raise ProcessingError(
            f"a service ended unexpectedly ({type(first).__name__}): see the log"
        ) from error


async def _until_failed(failed: asyncio.Future[None]) -> None:
    await failed


@contextmanager
def _one_error() -> Iterator[None]:
    """Raise the first error itself, not the groups of tasks that it went through."""
    try:
        yield
    except BaseExceptionGroup as group:
        error = _first(group)
        raise error from error.__cause__


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _assemble(configuration: Configuration) -> list[Service]:
    bus = MemoryEventBus()
    return [
        await batch_conductor.assembly.assemble(configuration.conductor, bus=bus),
        await llm_provider.assembly.assemble(configuration.provider, bus=bus),
        await cj_assessment.assembly.assemble(configuration.assessment, bus=bus),
    ]
