"""Running the embedded stack: checked, then started, and ended with its context or when it cannot continue."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict

import structlog
from suite_access import StackAccess, StackKeys, published_access

from suite.embedded.errors import EmbeddedServerError
from suite.embedded.guarding import exclusive_folder_lock
from suite.embedded.postgres import embedded_postgres
from suite.stack.checking import check_folder, check_machine, check_ports
from suite.stack.configuration import configure
from suite.stack.log_file import log_to_file
from suite.stack.options import Addresses, StackOptions

log = structlog.get_logger()


@asynccontextmanager
async def embedded_stack(options: StackOptions, *, log_name: str | None = None) -> AsyncIterator[Addresses]:
    """Run the stack until the context ends; a service that fails ends the context with its error.

    Everything is checked before anything is started. With ``log_name`` this process logs to that file in the data
    folder. Raises ``ConfigurationError``, whose message has a line for each problem.
    """
    check_ports(options.ports)
    keys = StackKeys.generate()
    configuration = configure(options, keys)
    check_folder(options.data)
    with exclusive_folder_lock(options.data / "stack"):
        check_machine(options.data, options.ports)
        if log_name is not None:
            log_to_file(options.data / log_name)
        log.info("stack.starting", data=str(options.data))
        # Imported here: the services take seconds to load, and what cannot start is refused before that.
        from suite.stack.services import services_running

        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            with embedded_postgres(options.data / "postgres", on_failure=_failing(failed)) as postgres:
                addresses = Addresses.of(options.ports)
                access = StackAccess(services=asdict(addresses), private_key=keys.private_pem)
                async with services_running(configuration.on(postgres), failed):
                    with published_access(options.data, access):
                        yield addresses
        finally:
            log.info("stack.stopped")


def _failing(failed: asyncio.Future[None]) -> Callable[[EmbeddedServerError], None]:
    """A callback for other threads that ends ``failed`` with the error that it is given."""
    loop = failed.get_loop()

    def fail(error: EmbeddedServerError) -> None:
        def end() -> None:
            if not failed.done():
                failed.set_exception(error)

        loop.call_soon_threadsafe(end)

    return fail
