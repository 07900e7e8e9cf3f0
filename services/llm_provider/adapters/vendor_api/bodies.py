"""Vendors' answers, read to a limit: as they travel and as they are after decompression."""

import zlib
from collections.abc import AsyncIterator
from typing import Final

import httpx2
from service_kit.http.bounded_body import TooLong, bounded_body

from llm_provider.domain.calls.errors import UnexpectedAnswer

MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
"""An answer of a model, or a line of a batch job's results, has some kilobytes."""

_PIECE_BYTES: Final = 64 * 1024
_WINDOW: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def read_body(answer: httpx2.Response, *, vendor: str) -> bytes:
    """The whole body, decompressed; raises ``UnexpectedAnswer`` for more than ``MAX_ANSWER_BYTES``."""
    body = await bounded_body(decompressed(answer, vendor=vendor), max_bytes=MAX_ANSWER_BYTES)
    if isinstance(body, TooLong):
        raise too_large(vendor)
    return body


async def decompressed(answer: httpx2.Response, *, vendor: str) -> AsyncIterator[bytes]:
    """The body in pieces that are small whatever the compression: a few kilobytes may stand for gigabytes."""
    if answer.is_stream_consumed:  # by a hook of the client
        yield answer.content
        return
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        async for chunk in answer.aiter_raw():
            yield chunk
        return
    if encoding not in _WINDOW:
        raise UnexpectedAnswer(
            f"{vendor} answers in an encoding that was not asked for", may_be_billed=answer.is_success
        )
    decoder = zlib.decompressobj(_WINDOW[encoding])
    try:
        async for chunk in answer.aiter_raw():
            pending = chunk
            while pending:
                yield decoder.decompress(pending, _PIECE_BYTES)
                pending = decoder.unconsumed_tail
        yield decoder.flush(_PIECE_BYTES)
    except zlib.error as error:
        raise UnexpectedAnswer(
            f"the compressed answer of {vendor} cannot be read", may_be_billed=answer.is_success
        ) from error


def too_large(vendor: str) -> UnexpectedAnswer:
    """The error of an answer beyond the limit; it was sent, so it may be billed."""
    return UnexpectedAnswer(
        f"{vendor}'s response exceeds the limit of {MAX_ANSWER_BYTES // 2**20} MiB",
        may_be_billed=True,
    )
