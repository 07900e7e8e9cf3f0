"""Keep a text where all texts are kept."""

from dataclasses import dataclass

from event_contracts import ErrorCode, InvalidRequest

from cj_assessment.ports import ContentStore


class EmptyContent(InvalidRequest):
    """There is nothing to keep."""

    code = ErrorCode.EMPTY_CONTENT


@dataclass(frozen=True, kw_only=True)
class StoreContent:
    """With an external content service the text goes there, so that every id handed out is known to all services."""

    content: ContentStore

    async def __call__(self, body: bytes) -> str:
        """Keep ``body`` and return its storage id; raises ``EmptyContent`` and ``ContentServiceError``.

        Kept here, the id is the SHA-256 of the bytes: the same text has the same id.
        """
        if not body:
            raise EmptyContent("the body is empty: send the text")
        return await self.content.store(body)
