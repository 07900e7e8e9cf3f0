"""The platform's content service as it answers on the wire, and every way in which it can misbehave."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

Trouble = Literal[
    "none", "failing", "trickling", "silent", "short", "redirecting", "refusing", "endless", "no_id"
]


@dataclass
class ContentServer:
    """`POST /v1/content` answers 201 with an id of 32 hex characters, `GET /v1/content/{id}` the bytes.

    It accepts no other ids: 400. ``trouble`` says how it misbehaves, ``failures`` how often; None: always.
    """

    url: str = ""
    texts: dict[str, bytes] = field(default_factory=dict)
    trouble: Trouble = "none"
    failures: int | None = None
    redirect_to: str = ""
    requests: list[str] = field(default_factory=list)
    max_bytes: int = 64 * 1024 * 1024

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, path, _ = head.split(" ", 2)
            found = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(found[1]) if found else 0)
            self.requests.append(f"{method} {path}")
            trouble = self._trouble_now()
            if trouble != "none":
                await self._misbehave(trouble, writer)
            else:
                await self._answer(writer, *self._outcome(method, path.removeprefix("/v1/content"), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _trouble_now(self) -> Trouble:
        if self.failures is None:
            return self.trouble
        self.failures -= 1
        return self.trouble if self.failures >= 0 else "none"

    def _outcome(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if method == "POST":
            if len(body) > self.max_bytes:
                return 413, b"{}"
            storage_id = uuid4().hex
            self.texts[storage_id] = body
            return 201, json.dumps({"storage_id": storage_id}).encode()
        storage_id = path.removeprefix("/")
        if re.fullmatch("[0-9a-f]{32}", storage_id) is None:
            return 400, b'{"error": "invalid content id"}'
        if method == "DELETE":
            return (204, b"") if self.texts.pop(storage_id, None) is not None else (404, b"{}")
        return (200, self.texts[storage_id]) if storage_id in self.texts else (404, b"{}")

    async def _answer(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        body: bytes,
        *,
        length: int | None = None,
        more: str = "",
    ) -> None:
        size = len(body) if length is None else length
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {size}\r\nconnection: close\r\n{more}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    async def _misbehave(self, trouble: Trouble, writer: asyncio.StreamWriter) -> None:
        match trouble:
            case "failing":
                await self._answer(writer, 503, b"{}")
            case "refusing":
                await self._answer(writer, 413, b"{}")
            case "short":
                await self._answer(writer, 200, b"half of it", length=1_000)
            case "no_id":
                await self._answer(writer, 201, b'{"id": 7}')
            case "redirecting":
                await self._answer(writer, 302, b"", more=f"location: {self.redirect_to}\r\n")
            case "silent":
                await asyncio.sleep(3600)
            case "endless":
                await self._answer(writer, 200, b"x" * 65_536, length=10**12)
                while True:
                    writer.write(b"x" * 65_536)
                    await writer.drain()
            case "trickling":
                await self._answer(writer, 200, b"", length=10**6)
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            case "none":
                raise AssertionError("no trouble")


@asynccontextmanager
async def content_server() -> AsyncIterator[ContentServer]:
    """A running content service."""
    opened = ContentServer()
    listening = await asyncio.start_server(opened.handle, "127.0.0.1", 0)
    opened.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield opened
    finally:
        listening.close()
