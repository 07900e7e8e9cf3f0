"""Answers over HTTP: whole, in pieces, or broken off."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

import orjson
from event_contracts import JsonObject
from llm_provider.tests.vendors.fake_vendors.dialect import Dialect
from llm_provider.tests.vendors.fake_vendors.scenario import Failure, Received
from quart import Blueprint, Response, request

_JSON: Final = "application/json"
_PIECE: Final = 64


def json_response(
    body: JsonObject, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status=status, headers={"content-type": _JSON, **(headers or {})})


def in_pieces(content: bytes, *, breaks_off: bool = False) -> Response:
    """A file that comes in many small pieces, which end anywhere; all of them, or most of them."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), _PIECE):
            if breaks_off and start + _PIECE >= len(content):
                raise ConnectionAbortedError
            yield content[start : start + _PIECE]

    return Response(pieces(), headers={"content-type": "application/octet-stream"})


def broken_off(content: bytes) -> Response:
    """Half of an answer: the connection is closed after it."""

    async def half() -> AsyncIterator[bytes]:
        yield content[: len(content) // 2]
        raise ConnectionAbortedError

    return Response(half(), headers={"content-type": _JSON})


def require_key(routes: Blueprint, dialect: Dialect) -> None:
    """Refuse all who do not show the key; the address that Google gives for an upload is a key by itself."""

    @routes.before_request
    async def refuse() -> Response | None:
        if dialect.accepts(lower_headers()) or "upload_id" in request.args:
            return None
        nobody = Received(vendor=dialect.vendor, path=request.path, headers={}, body={}, size=0)
        return json_response(dialect.error(nobody, Failure(status=401)), status=401)


def lower_headers() -> dict[str, str]:
    """The present request's headers, their names in lower case."""
    return {name.lower(): value for name, value in request.headers.items()}


def json_lines(lines: list[JsonObject]) -> bytes:
    """JSON Lines."""
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
