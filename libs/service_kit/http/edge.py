"""The ASGI edge of every service: what is refused before a route is looked for, and read before a route runs.

A body is read whole, up to the limit of its route, before anything else happens. One that is larger is read on and
thrown away up to a second limit, so that its sender gets the 413 instead of a connection that breaks while it writes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast
from uuid import uuid4

from event_contracts import InvalidRequest
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, RequestTimeout

from service_kit.http.error_answers import error_body

MAX_BYTES_ATTRIBUTE: Final = "max_body_bytes"
BODY_KEY: Final = "service_kit.body"
REFUSAL_KEY: Final = "service_kit.refusal"
"""In the scope: the body's bytes, and the error that its reading ended with."""

MAX_DISCARDED_BYTES: Final = 64 * 1024 * 1024
BODY_TIMEOUT_SECONDS: Final = 60.0
NO_WEBSOCKETS: Final = "this service has no WebSocket routes: send a plain HTTP request"

AsgiApp = Callable[[Scope, ASGIReceiveCallable, ASGISendCallable], Awaitable[None]]
LimitOf = Callable[[str, str], int]
"""The most bytes that a body may have, by method and path."""


class Disconnected(Exception):
    """The client went away before its request was there."""


class Edge:
    """Reads bodies within their limits and refuses WebSockets; wraps the application of one service."""

    def __init__(self, app: AsgiApp, *, service: str, limit_of: LimitOf) -> None:
        self._app = app
        self._service = service
        self._limit_of = limit_of

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Handle one connection's scope."""
        if scope["type"] == "websocket":
            await self._refuse_websocket(receive, send)
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            try:
                extended, replaying = await self._with_body(cast("dict[str, Any]", scope), receive)
            except Disconnected:
                return
            await self._app(cast(Scope, extended), replaying, send)

    async def _with_body(
        self, scope: dict[str, Any], receive: ASGIReceiveCallable
    ) -> tuple[dict[str, Any], ASGIReceiveCallable]:
        refusal: HTTPException | None = None
        body = b""
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
                body = await _read(receive, limit=self._limit_of(scope["method"], scope["path"]))
        except RequestEntityTooLarge as error:
            refusal = error
        except TimeoutError:
            refusal = RequestTimeout(f"the body was not complete after {BODY_TIMEOUT_SECONDS:.0f} seconds")
        return {**scope, BODY_KEY: body, REFUSAL_KEY: refusal}, _replaying(body, receive)

    async def _refuse_websocket(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        detail = InvalidRequest(NO_WEBSOCKETS).detail(
            service=self._service, operation="websocket", correlation_id=uuid4()
        )
        body = error_body(detail).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "websocket.http.response.start", "status": 400, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body, "more_body": False})


async def _read(receive: ASGIReceiveCallable, *, limit: int) -> bytes:
    """The body; ``RequestEntityTooLarge`` for a larger one, once it has been read to its end or to the second limit."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        if message["type"] != "http.request":
            continue
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        else:
            chunks.clear()
        if size > MAX_DISCARDED_BYTES or not message.get("more_body", False):
            break
    if size > limit:
        raise RequestEntityTooLarge(f"the body has more than the {limit} bytes that this route reads")
    return b"".join(chunks)


def _replaying(body: bytes, receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
    is_given = False

    async def replay() -> Any:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return cast(ASGIReceiveCallable, replay)
