"""Keep a text where all texts are kept, and give it back by its id."""

from dataclasses import dataclass
from typing import Final

from event_contracts import ContentServiceError, ErrorCode, InvalidRequest, NotFound

from cj_assessment.ports import ContentStore

MAX_READ_BYTES: Final = 64 * 1024 * 1024
"""Of one content: many times the whole result of the largest batch."""


class EmptyContent(InvalidRequest):
    """There is nothing to keep."""

    code = ErrorCode.EMPTY_CONTENT


@dataclass(frozen=True, kw_only=True)
class StoreContent:
    """With an external content service the text goes there: an id that is given out is one that all services know."""

    content: ContentStore

    async def __call__(self, body: bytes) -> str:
        """Keep ``body`` and return its storage id; raises ``EmptyContent`` and ``ContentServiceError``.

        Kept here, the id is the SHA-256 of the bytes: the same text has the same id.
        """
        if not body:
            raise EmptyContent("the body is empty: send the text")
        return await self.content.store(body)


@dataclass(frozen=True, kw_only=True)
class ReadContent:
    """Gives a text back, byte for byte, wherever it is kept."""

    content: ContentStore

    async def __call__(self, storage_id: str) -> bytes:
        """Raises ``NotFound``, and ``ContentServiceError`` where the content service does not answer."""
        fetched = await self.content.fetch([storage_id], max_bytes=MAX_READ_BYTES)
        if storage_id in fetched.failures:
            raise ContentServiceError(fetched.failures[storage_id])
        if storage_id in fetched.too_long:
            raise ContentServiceError(f"the content has more than {MAX_READ_BYTES} bytes")
        if storage_id not in fetched.bodies:
            raise NotFound(f"no content is stored under {storage_id!r}")
        return fetched.bodies[storage_id]
