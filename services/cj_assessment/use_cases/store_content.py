"""Keep a text under an id that its bytes determine, and give it back."""

import hashlib
from dataclasses import dataclass

from event_contracts import ErrorCode, InvalidRequest, NotFound

from cj_assessment.ports import Store


class EmptyContent(InvalidRequest):
    """There is nothing to keep."""

    code = ErrorCode.EMPTY_CONTENT


@dataclass(frozen=True, kw_only=True)
class StoreContent:
    """Content-addressed: the same text has the same id."""

    store: Store

    async def __call__(self, body: bytes) -> str:
        """Keep ``body`` and return its storage id (SHA-256, hex); raises ``EmptyContent``."""
        if not body:
            raise EmptyContent("the body is empty: send the text")
        storage_id = hashlib.sha256(body).hexdigest()
        async with self.store.transaction() as transaction:
            await transaction.contents.put(storage_id=storage_id, body=body)
        return storage_id


@dataclass(frozen=True, kw_only=True)
class ReadContent:
    """Gives a text back, byte for byte."""

    store: Store

    async def __call__(self, storage_id: str) -> bytes:
        """Raises ``NotFound``."""
        async with self.store.transaction() as transaction:
            found = await transaction.contents.read([storage_id])
        if storage_id not in found:
            raise NotFound(f"no content is stored under {storage_id!r}")
        return found[storage_id]
