"""A receiver of callbacks: a bare HTTP/1.1 server that answers by path and remembers what it was sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Received:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    server_name: str | None


@dataclass
class Receiver:
    """Answers ``/ok``, ``/status/NNN``, ``/redirect``, ``/silent`` (never) and ``/drip`` (without an end)."""

    port: int = 0
    location: str = "/ok"
    received: list[Received] = field(default_factory=list)
    server_name: str | None = None
    at_once: int = 0
    most_at_once: int = 0

    def url(self, path: str, *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def bodies(self, path: str) -> list[bytes]:
        return [one.body for one in self.received if one.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split()[1]
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        self.received.append(Received(path, headers, body, self.server_name))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._say(path, reader, writer)
        finally:
            self.at_once -= 1

    async def _say(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if path == "/silent":
            await reader.read()
        elif path == "/drip":
            writer.write(b"HTTP/1.1 200 OK\r\nx: ")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        elif path == "/redirect":
            writer.write(
                f"HTTP/1.1 307 Away\r\nlocation: {self.location}\r\ncontent-length: 0\r\n\r\n".encode()
            )
        elif path == "/endless":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n" + b"x" * 1000)
            await reader.read()
        else:
            status = path.removeprefix("/status/") if path.startswith("/status/") else "200"
            writer.write(f"HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()


@asynccontextmanager
async def receiving(
    *, host: str = "127.0.0.1", certificate: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver()
    if certificate is not None:

        def remember(_connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
            receiver.server_name = name

        certificate.sni_callback = remember
    server = await asyncio.start_server(receiver.serve, host, 0, ssl=certificate)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
