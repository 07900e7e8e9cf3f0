"""What forgetting a batch and exporting what is held need."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta
from typing import Protocol

from cj_assessment.domain.batch import BatchId
from cj_assessment.domain.erasure import ErasedRequests, Erasure, TextRemoval
from cj_assessment.ports.values import Due


class Erasures(Protocol):
    """Batches that are to be forgotten. Each method is one transaction."""

    async def start(self, batch_id: BatchId, *, everything: bool, requested_by: str) -> Erasure:
        """Delete the texts, prompts and raw answers of a batch that has ended, and note what remains to be done.

        Raises ``NotFound`` for a batch that is neither known nor forgotten, ``Conflict`` for one that has not ended.
        """
        ...

    async def read(self, batch_id: BatchId) -> Erasure | None:
        """The erasure of a batch; None if it was never requested."""
        ...

    async def take_open(self, *, limit: int, lease: timedelta) -> Due[BatchId]:
        """Batches whose erasure is not complete; another replica sees them again after ``lease``."""
        ...

    async def note_requests(self, batch_id: BatchId, *, erased: int) -> None:
        """The LLM Provider has erased all its requests of the batch."""
        ...

    async def note_texts(self, batch_id: BatchId, *, settled: Collection[str], kept: int) -> None:
        """These texts are dealt with in the external content service; it keeps ``kept`` of them."""
        ...

    async def finish(self, batch_id: BatchId) -> bool:
        """Complete the erasure, where everything is to go with the rows of the batch; False where it is too early.

        What a batch has used is reported first: it is not known while answers are outstanding.
        """
        ...


class RequestEraser(Protocol):
    """The LLM Provider, which keeps prompts and answers of its own."""

    async def erase(self, batch_id: BatchId, *, everything: bool) -> ErasedRequests:
        """Have what it holds of a batch erased; repeating it is harmless. Raises ``ExternalServiceError``."""
        ...

    def export(self, batch_id: BatchId, *, essay_id: str | None) -> AsyncIterator[bytes]:
        """What it holds of a batch, or of one essay of it, as JSON in pieces. Raises ``ExternalServiceError``."""
        ...


class TextRemover(Protocol):
    """An external content service."""

    async def remove(self, storage_ids: Sequence[str]) -> TextRemoval:
        """Have texts deleted that only this batch refers to here. Raises ``ContentServiceError``: try again."""
        ...


class Exports(Protocol):
    """Personal data held in this service's database, as JSON."""

    def of_batch(self, batch_id: BatchId) -> AsyncIterator[bytes]:
        """Every row of a batch, as members of a JSON object, in pieces. Raises ``NotFound`` before the first."""
        ...

    def of_essay(self, essay_id: str) -> AsyncIterator[bytes]:
        """What is held under an essay's id, in whatever batch. Raises ``NotFound`` before the first piece."""
        ...

    async def batches_of(self, essay_id: str) -> Sequence[BatchId]:
        """The batches with an essay of this id."""
        ...
