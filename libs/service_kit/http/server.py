"""Serves an application with hypercorn, whose own refusals get the body that all errors of a service have.

Hypercorn answers what is no HTTP request (400), what has too long a head (431) and what has an unknown transfer
coding (501) by itself and without a body. It has no setting for that, so its HTTP/1 protocol is replaced by this one.
"""

import asyncio
import logging
import socket
from http import HTTPStatus
from itertools import chain
from typing import Final
from uuid import uuid4

import h11
import hypercorn.protocol
from event_contracts import InvalidRequest, SuiteError
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.protocol.events import Body, Event, Response
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.typing import Framework

from service_kit.http.error_bodies import error_body

OPERATION: Final = "connection"
HEAD_TIMEOUT_SECONDS: Final = 10.0
"""From a connection's start, or from the last answer, to the end of a request's head: who is slower is cut off."""


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
            else InvalidRequest(f"this is no HTTP request that can be answered: {name}")
        )
        service = getattr(self.config, "service", ServiceConfig.service)
        return error_body(error.detail(service=service, operation=OPERATION, correlation_id=uuid4())).encode()


def _is_empty(event: Response) -> bool:
    return (b"content-length", b"0") in event.headers and (b"connection", b"close") in event.headers


def _headers(body: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]


hypercorn.protocol.H11Protocol = DocumentedErrors  # type: ignore[attr-defined]  # see the module's docstring


async def serve_until(
    app: Framework,
    listening: socket.socket,
    stop: asyncio.Event,
    *,
    service: str,
    grace_seconds: float,
) -> None:
    """Answer requests on a listening socket until ``stop`` is set; those under way get ``grace_seconds`` more."""
    config = ServiceConfig()
    config.service = service
    config.bind = [f"fd://{listening.detach()}"]
    config.graceful_timeout = grace_seconds
    config.keep_alive_timeout = HEAD_TIMEOUT_SECONDS
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    await serve(app, config, shutdown_trigger=stop.wait)
