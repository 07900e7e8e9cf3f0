"""What the server itself refuses: every answer arrives whole, with the documented body, whatever the client sends."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
import pytest_asyncio
from event_contracts import ErrorBody, ErrorDetail
from quart import Blueprint
from service_kit.http import edge, server
from service_kit.http.app import HttpService, create_app
from service_kit.http.bodies import MAX_BODY_BYTES, max_body_bytes, request_body
from service_kit.http.permissions import open_to_all
from service_kit.http.server import HEAD_TIMEOUT_SECONDS, serve_until
from service_kit.tests.builders import new_metrics
from service_kit.tests.tokens import OpenGate

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT = 100_000
WAIT_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """An answer as it came over the line."""

    status: int
    headers: dict[str, str]
    body: bytes

    def error(self) -> ErrorDetail:
        """Its body, which must be an ErrorBody."""
        assert self.headers["content-type"] == "application/json"
        assert int(self.headers["content-length"]) == len(self.body)
        return ErrorBody.model_validate_json(self.body).error


def routes() -> Blueprint:
    blueprint = Blueprint("texts", __name__)

    @blueprint.post("/texts")
    @max_body_bytes(LIMIT)
    @open_to_all("a test")
    async def store() -> dict[str, int]:
        return {"bytes": len(await request_body())}

    return blueprint


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port() -> AsyncIterator[int]:
    service = HttpService(
        name="texts",
        title="Texts",
        version="1",
        blueprints=[routes()],
        checks={},
        metrics=new_metrics(),
        gate=OpenGate(),
    )
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(server, "HEAD_TIMEOUT_SECONDS", 0.5)
    listening, stop = socket.create_server(("127.0.0.1", 0)), asyncio.Event()
    number: int = listening.getsockname()[1]
    async with asyncio.TaskGroup() as group:
        group.create_task(
            serve_until(create_app(service), listening, stop, service="texts", grace_seconds=1.0)
        )
        yield number
        stop.set()
    monkeypatch.undo()


async def exchange(port: int, *parts: bytes) -> Answer:
    """Send the parts, all of them, and read one answer to its end."""
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for part in parts:
            writer.write(part)
            await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        writer.close()
    return Answer(status=int(lines[0].split()[1]), headers=headers, body=body)


def post(size: int, *extra: bytes, path: bytes = b"/texts") -> bytes:
    lines = [b"POST %b HTTP/1.1" % path, b"Host: localhost", b"Content-Length: %d" % size, *extra]
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def test_a_body_within_its_limit_is_read(port: int) -> None:
    answer = await exchange(port, post(LIMIT), b"x" * LIMIT)

    assert (answer.status, json.loads(answer.body)) == (200, {"bytes": LIMIT})


@pytest.mark.parametrize("size", [LIMIT + 1, 1_000_000, 30_000_000])
async def test_the_sender_of_a_body_that_is_too_large_gets_413_and_no_broken_connection(
    port: int, size: int
) -> None:
    answer = await exchange(
        port, post(size), *[b"x" * 1_000_000] * (size // 1_000_000), b"x" * (size % 1_000_000)
    )

    assert answer.status == 413
    assert str(LIMIT) in answer.error().message


async def test_a_chunked_body_that_is_too_large_is_413_as_well(port: int) -> None:
    head = b"POST /texts HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    answer = await exchange(port, head, *[chunk] * 40, b"0\r\n\r\n")

    assert answer.status == 413
    assert answer.error().error_code == "VALIDATION_ERROR"


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY_BYTES, 404), (3_000_000, 413)])
async def test_a_body_for_an_unknown_route_is_discarded(port: int, size: int, status: int) -> None:
    answer = await exchange(port, post(size, path=b"/nowhere"), b"x" * size)

    assert answer.status == status
    assert answer.error().message


async def test_a_body_that_does_not_arrive_is_408(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "BODY_TIMEOUT_SECONDS", 0.05)

    answer = await exchange(port, post(100), b"x")

    assert answer.status == 408
    assert answer.error().message


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 300_000, 431),
        (b"POST /texts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /texts HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /texts HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /texts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else value,
)
async def test_what_is_not_an_http_request_is_answered_with_the_documented_body(
    port: int, sent: bytes, status: int
) -> None:
    answer = await exchange(port, sent)

    assert answer.status == status
    assert answer.error().service == "texts"


UPGRADE = b"GET /%b HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: %b\r\n"


@pytest.mark.parametrize("path", [b"", b"texts", b"healthz", b"nowhere"])
@pytest.mark.parametrize("key", [b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""])
@pytest.mark.parametrize("version", [b"13", b"7"])
async def test_a_websocket_is_refused_with_the_documented_body(
    port: int, path: bytes, key: bytes, version: bytes
) -> None:
    answer = await exchange(port, UPGRADE % (path, version) + key + b"\r\n")

    assert answer.status == 400
    assert answer.error().message


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"//texts", 405),
        (b"/texts/", 404),
        (b"//", 404),
        (b"/%00", 404),
        (b"/%ff%fe", 404),
        (b"*", 404),
        (b"/texts?%ff=%00", 405),
    ],
)
async def test_a_strange_target_is_answered_with_the_documented_body(
    port: int, target: bytes, status: int
) -> None:
    answer = await exchange(port, b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)

    assert answer.status == status
    assert answer.error().message


@pytest.mark.parametrize("head", [b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-", b"", b"G"])
async def test_a_client_that_dribbles_its_head_is_cut_off(port: int, head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)

    async def dribble() -> None:
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    dribbling = asyncio.ensure_future(dribble())
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    dribbling.cancel()
    writer.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(
            b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
            404,
            id="upgrade",
        ),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404, id="prior knowledge"),
    ],
)
async def test_http_2_in_clear_text_is_not_spoken(port: int, sent: bytes, status: int) -> None:
    answer = await exchange(port, sent)

    assert answer.status == status
    assert answer.error().message


async def test_an_idle_connection_is_closed_by_the_client_before_the_server() -> None:
    """Closed by the server, it may take a request with it that the client has just sent."""
    expiry = httpx2.Limits().keepalive_expiry

    assert expiry is not None
    assert 2 * expiry <= HEAD_TIMEOUT_SECONDS
