"""Reading what another service answers, up to a limit."""

from collections.abc import AsyncIterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TooLong:
    """Stands for a body beyond the limit, whose rest was not read."""


async def bounded_body(pieces: AsyncIterable[bytes], *, max_bytes: int) -> bytes | TooLong:
    """The whole body from its pieces; one piece beyond ``max_bytes`` is the most that is held of a longer one."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > max_bytes:
            return TooLong()
    return bytes(body)
