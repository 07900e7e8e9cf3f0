"""Export what is held about a batch, or about one essay: here and at the LLM Provider, as one JSON document."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from cj_assessment.domain.batch import BatchId
from cj_assessment.ports import Exports, RequestEraser

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ExportData:
    """Documents in pieces, as a batch may be larger than memory; errors are raised before the first piece."""

    exports: Exports
    requests: RequestEraser

    async def batch(self, batch_id: BatchId, *, by: str) -> AsyncIterator[bytes]:
        """Everything about one batch. Raises ``NotFound`` and ``ExternalServiceError``."""
        own = self.exports.of_batch(batch_id)
        first = await anext(own)
        theirs = self.requests.export(batch_id, essay_id=None)
        their_first = await anext(theirs)
        log.warning("batch.exported", batch_id=batch_id, by=by)
        return _document("batch_id", batch_id, _after(first, own), [_after(their_first, theirs)])

    async def essay(self, essay_id: str, *, by: str) -> AsyncIterator[bytes]:
        """Everything under one essay's id, without the other essays that it was compared with.

        Raises ``NotFound`` and ``ExternalServiceError``.
        """
        own = self.exports.of_essay(essay_id)
        first = await anext(own)
        theirs = []
        for batch_id in await self.exports.batches_of(essay_id):
            pieces = self.requests.export(batch_id, essay_id=essay_id)
            theirs.append(_after(await anext(pieces), pieces))
        log.warning("essay.exported", by=by)
        return _document("essay_id", essay_id, _after(first, own), theirs)


async def _document(
    name: str, identity: str, own: AsyncIterator[bytes], theirs: list[AsyncIterator[bytes]]
) -> AsyncIterator[bytes]:
    yield json.dumps({name: identity}).encode().removesuffix(b"}") + b","
    async for piece in own:
        yield piece
    yield b',"llm_provider":['
    for number, pieces in enumerate(theirs):
        if number:
            yield b","
        async for piece in pieces:
            yield piece
    yield b"]}"


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
