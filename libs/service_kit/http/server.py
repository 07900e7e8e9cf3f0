"""Serves an application with hypercorn, whose own refusals get the body that all errors of a service have.

Hypercorn answers what is no HTTP request (400), what has too long a head (431) and what has an unknown transfer
coding (501) by itself and without a body. It has no setting for that, so its HTTP/1 protocol is replaced by this one.
It waits without end for a client to read its answer: its connections are replaced by ones that do not.
"""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from itertools import chain
from typing import Final
from uuid import uuid4

import h11
import hypercorn.asyncio.run
import hypercorn.protocol
import structlog
from event_contracts import InvalidRequest, SuiteError
from hypercorn.asyncio import serve
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config
from hypercorn.events import Event as ConnectionEvent
from hypercorn.events import RawData
from hypercorn.protocol.events import Body, Event, Response
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.typing import Framework

from service_kit.http.error_answers import error_body

log = structlog.get_logger()

OPERATION: Final = "connection"
HEAD_TIMEOUT_SECONDS: Final = 10.0
"""From a connection's start, or from the last answer, to the end of a request's head: who is slower is cut off."""

WRITE_SECONDS: Final = 30.0
MIN_BYTES_PER_SECOND: Final = 64 * 1024
"""A client has this time for each piece of an answer, and more for a large one, at this rate; then it is cut off."""

CLOSE_SECONDS: Final = 10.0
"""For what is still to be read when a connection is closed."""


class ServiceConfig(Config):
    """Hypercorn's configuration, and whose errors it reports."""

    service = "http"


class DocumentedErrors(H11Protocol):
    """Hypercorn's HTTP/1 protocol; its own errors carry an ``ErrorBody``."""

    async def stream_send(self, event: Event) -> None:
        """Give an error that hypercorn wrote for a stream its body; an application's answers pass unchanged."""
        if isinstance(event, Response) and event.status_code >= 400 and _is_empty(event):
            body = self._body(event.status_code)
            await super().stream_send(
                Response(stream_id=STREAM_ID, headers=_headers(body), status_code=event.status_code)
            )
            await super().stream_send(Body(stream_id=STREAM_ID, data=body))
        else:
            await super().stream_send(event)

    async def _check_protocol(self, event: h11.Request) -> None:
        """Speak HTTP/1 only: errors of clear-text HTTP/2 would come without a body, and an upgrade is optional."""

    async def _send_error_response(self, status_code: int) -> None:
        body = self._body(status_code)
        headers = list(chain(_headers(body), self.config.response_headers("h11")))
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())

    def _body(self, status_code: int) -> bytes:
        name = HTTPStatus(status_code).phrase
        error = (
            SuiteError(f"the service failed: {name}")
            if status_code == 500
            else InvalidRequest(f"malformed HTTP request: {name}")
        )
        service = getattr(self.config, "service", ServiceConfig.service)
        return error_body(error.detail(service=service, operation=OPERATION, correlation_id=uuid4())).encode()


class BoundedWrites(TCPServer):
    """Hypercorn's connection; a client that does not read its answer loses it, and the memory that it takes."""

    async def run(self) -> None:
        """Serve one client; one that is still there at the very end of a stop is cut off."""
        try:
            await super().run()
        except asyncio.CancelledError:
            # Its task has ended, and nobody awaits it: Python's streams would report it as an error, with a traceback.
            self.writer.transport.abort()

    async def protocol_send(self, event: ConnectionEvent) -> None:
        """Write, in bounded time."""
        size = len(event.data) if isinstance(event, RawData) else 0
        with self._aborted_after(WRITE_SECONDS + size / MIN_BYTES_PER_SECOND):
            await super().protocol_send(event)

    async def _close(self) -> None:
        with self._aborted_after(CLOSE_SECONDS):
            await super()._close()

    async def _initiate_server_close(self) -> None:
        # Nothing waits for this close: what is not read by then is dropped with the connection.
        self.loop.call_later(CLOSE_SECONDS, self.writer.transport.abort)
        await super()._initiate_server_close()

    @contextmanager
    def _aborted_after(self, seconds: float) -> Iterator[None]:
        """Drop the connection unless what is done here ends in time."""

        def abort() -> None:
            log.warning("http.slow_reader_cut_off", seconds=round(seconds, 1))
            self.writer.transport.abort()

        timer = self.loop.call_later(seconds, abort)
        try:
            yield
        finally:
            timer.cancel()


def _is_empty(event: Response) -> bool:
    return (b"content-length", b"0") in event.headers and (b"connection", b"close") in event.headers


def _headers(body: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]


hypercorn.protocol.H11Protocol = DocumentedErrors  # type: ignore[attr-defined]  # see the module's docstring
hypercorn.asyncio.run.TCPServer = BoundedWrites  # type: ignore[attr-defined]  # see the module's docstring


async def serve_until(
    app: Framework,
    listening: socket.socket,
    stop: asyncio.Event,
    *,
    service: str,
    grace_seconds: float,
) -> None:
    """Answer requests on a listening socket until ``stop`` is set; those in progress get ``grace_seconds`` more."""
    config = ServiceConfig()
    config.service = service
    config.bind = [f"fd://{listening.detach()}"]
    config.graceful_timeout = grace_seconds
    config.keep_alive_timeout = HEAD_TIMEOUT_SECONDS
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    await serve(app, config, shutdown_trigger=stop.wait)
