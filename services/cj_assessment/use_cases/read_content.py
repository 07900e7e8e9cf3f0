"""Give a text back by its id."""

from dataclasses import dataclass
from typing import Final

from cj_assessment.ports import ContentStore

MAX_READ_BYTES: Final = 64 * 1024 * 1024
"""Of one content: many times the whole result of the largest batch."""


@dataclass(frozen=True, kw_only=True)
class ReadContent:
    """Gives a text back, byte for byte, wherever it is kept."""

    content: ContentStore

    async def __call__(self, storage_id: str) -> bytes:
        """Raises as ``Fetched.body_of`` does."""
        fetched = await self.content.fetch([storage_id], max_bytes=MAX_READ_BYTES)
        return fetched.body_of(storage_id, name="content")
