"""Keep a text where all texts are kept, and give it back by its id."""

from dataclasses import dataclass
from typing import Final

from event_contracts import ErrorCode, InvalidRequest

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
        """Raises as ``Fetched.body_of`` does."""
        fetched = await self.content.fetch([storage_id], max_bytes=MAX_READ_BYTES)
        return fetched.body_of(storage_id, name="content")
