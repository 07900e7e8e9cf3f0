"""A client that does not read its answer holds neither a connection nor memory for ever, and delays no other."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator

import httpx2
import pytest
from quart import Blueprint, Response
from service_kit.http import server
from service_kit.http.app import HttpService, create_app
from service_kit.http.permissions import open_to_all
from service_kit.http.server import BoundedWrites, serve_until
from service_kit.tests.builders import captured_logs, new_metrics
from service_kit.tests.tokens import OpenGate
from service_kit.tests.waiting import eventually

ANSWER_BYTES = 32 * 1024 * 1024
"""More than the buffers of both sides take."""

COLLECTING_SECONDS = 0.3
"""Between two looks at all objects of a process that holds thousands of tests."""


def routes() -> Blueprint:
    blueprint = Blueprint("answers", __name__)

    @blueprint.get("/large")
    @open_to_all("a test")
    async def large() -> Response:
        return Response(b"x" * ANSWER_BYTES, content_type="application/octet-stream")

    @blueprint.get("/endless")
    @open_to_all("a test")
    async def endless() -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 65_536
                await asyncio.sleep(0)

        return Response(pieces(), content_type="application/octet-stream")

    @blueprint.get("/small")
    @open_to_all("a test")
    async def small() -> dict[str, bool]:
        return {"is_quick": True}

    return blueprint


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A service that is as impatient as a test."""
    monkeypatch.setattr(server, "WRITE_SECONDS", 0.5)
    monkeypatch.setattr(server, "CLOSE_SECONDS", 0.5)
    monkeypatch.setattr(server, "MIN_BYTES_PER_SECOND", 1024 * 1024 * 1024)
    monkeypatch.setattr(server, "HEAD_TIMEOUT_SECONDS", 2.0)
    listening, stop = socket.create_server(("127.0.0.1", 0)), asyncio.Event()
    number: int = listening.getsockname()[1]
    app = create_app(
        HttpService(
            name="answers",
            title="Answers",
            version="1",
            blueprints=[routes()],
            checks={},
            metrics=new_metrics(),
            gate=OpenGate(),
        )
    )
    serving = asyncio.create_task(serve_until(app, listening, stop, service="answers", grace_seconds=1))
    try:
        yield number
    finally:
        stop.set()
        await serving


def ask(port: int, path: str) -> socket.socket:
    """Ask, and read nothing of the answer; the client's own buffer is small."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nhost: here\r\n\r\n".encode())
    return client


def connections() -> int:
    """Connections that the server holds; those that are over are collected first."""
    gc.collect()
    return sum(isinstance(held, BoundedWrites) for held in gc.get_objects())


@pytest.mark.parametrize("path", ["/large", "/endless"])
async def test_a_client_that_does_not_read_is_cut_off_and_nothing_is_kept(port: int, path: str) -> None:
    before = connections()
    with captured_logs() as logs:
        clients = [ask(port, path) for _ in range(5)]
        await eventually(lambda: sum(one["event"] == "http.slow_reader_cut_off" for one in logs) >= 5)
        await eventually(lambda: connections() <= before, every=COLLECTING_SECONDS)

    for client in clients:
        client.close()


async def test_clients_that_do_not_read_delay_no_other(port: int) -> None:
    clients = [ask(port, "/endless") for _ in range(20)]

    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        answers = await asyncio.gather(*(http.get("/small") for _ in range(20)))

    assert [answer.json() for answer in answers] == [{"is_quick": True}] * 20
    for client in clients:
        client.close()


async def test_a_client_that_reads_slowly_but_steadily_gets_everything(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MIN_BYTES_PER_SECOND", 1024 * 1024)
    read = 0

    async with (
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
        http.stream("GET", "/large") as answer,
    ):
        async for piece in answer.aiter_raw():
            read += len(piece)
            if read % (1024 * 1024) < len(piece):
                await asyncio.sleep(0.05)

    assert read == ANSWER_BYTES


async def test_what_is_left_unread_when_a_connection_is_idle_is_dropped(port: int) -> None:
    """An answer that fits into the buffers is written; its reader may never come for it."""
    before = connections()
    client = ask(port, "/small")
    await eventually(lambda: connections() > before, every=COLLECTING_SECONDS)

    await eventually(lambda: connections() <= before, every=COLLECTING_SECONDS)

    client.close()
