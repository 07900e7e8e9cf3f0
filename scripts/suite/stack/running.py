"""The embedded stack: three services in one process on real ports, one memory bus, one embedded PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import batch_conductor.main
import cj_assessment.main
import llm_provider.main
import structlog
from event_contracts import ProcessingError, SuiteError
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.running import Service, run_services

from suite.embedded.errors import EmbeddedServerError
from suite.embedded.guarding import sole_owner
from suite.embedded.postgres import embedded_postgres
from suite.stack.checking import check_folder, check_machine
from suite.stack.configuration import Configuration, configure
from suite.stack.log_file import log_to_file
from suite.stack.options import Addresses, StackOptions

log = structlog.get_logger()


@asynccontextmanager
async def embedded_stack(options: StackOptions, *, log_name: str | None = None) -> AsyncIterator[Addresses]:
    """Run the stack until the context ends; a service that fails ends the context with its error.

    Everything is checked before anything is started. With ``log_name`` this process logs to that file in the data
    folder. Raises ``ConfigurationError``, whose message has a line for each problem.
    """
    configuration = configure(options)
    check_folder(options.data)
    with sole_owner(options.data / "stack"):
        check_machine(options.data, options.ports)
        if log_name is not None:
            log_to_file(options.data / log_name)
        log.info("stack.starting", data=str(options.data))
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            with (
                embedded_postgres(options.data / "postgres", on_failure=_failing(failed)) as postgres,
                _one_error(),
            ):
                async with _services_running(await _assemble(configuration.on(postgres)), failed):
                    yield Addresses.of(options.ports)
        finally:
            log.info("stack.stopped")


@asynccontextmanager
async def _services_running(services: list[Service], failed: asyncio.Future[None]) -> AsyncIterator[None]:
    stop, started = asyncio.Event(), asyncio.Event()
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
        raise ProcessingError(f"a service ended unexpectedly ({type(first).__name__}): see the log") from error


async def _until_failed(failed: asyncio.Future[None]) -> None:
    await failed


def _failing(failed: asyncio.Future[None]) -> Callable[[EmbeddedServerError], None]:
    """A callback for other threads that ends ``failed`` with the error that it is given."""
    loop = failed.get_loop()

    def fail(error: EmbeddedServerError) -> None:
        def end() -> None:
            if not failed.done():
                failed.set_exception(error)

        loop.call_soon_threadsafe(end)

    return fail


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
        await batch_conductor.main.assemble(configuration.conductor, bus=bus),
        await llm_provider.main.assemble(configuration.provider, bus=bus),
        await cj_assessment.main.assemble(configuration.assessment, bus=bus),
    ]
