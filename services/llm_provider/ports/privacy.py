"""What forgetting a batch and telling what is held need."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from llm_provider.domain.requests.request import QueueId


class Erasures(Protocol):
    """Prompts and answers of batches that are to be forgotten. Each method is one transaction."""

    async def open_requests(self, batch_id: str, *, limit: int) -> Sequence[QueueId]:
        """Requests of the batch that have not ended, the oldest first."""
        ...

    async def erase_ended(self, batch_id: str, *, limit: int) -> int:
        """Delete prompts, reasons and what else the caller sent from ended requests; returns of how many."""
        ...

    async def erase_traces(self, batch_id: str) -> None:
        """Delete errors of its requests, and callbacks of the batch that were given up."""
        ...

    async def delete_ended(self, batch_id: str, *, limit: int) -> int:
        """Delete ended requests with their calls; returns how many."""
        ...

    async def anonymise_spending(self, batch_id: str) -> None:
        """Keep the sums by day, provider and model without the batch and its user."""
        ...

    async def erased(self, batch_id: str) -> int:
        """Requests of the batch of which nothing but numbers is left."""
        ...

    async def outstanding(self, batch_id: str) -> int:
        """Its requests that have not ended, and its callbacks that have not left."""
        ...


class Exports(Protocol):
    """What the database holds of a batch, as JSON."""

    def of_batch(self, batch_id: str, *, essay_id: str | None) -> AsyncIterator[bytes]:
        """Every request of a batch with its calls and sums, as a JSON object in pieces.

        With ``essay_id``, the requests in which that essay is compared, without their prompts: these hold the other
        essay as well.
        """
        ...
