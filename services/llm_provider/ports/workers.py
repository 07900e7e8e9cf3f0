"""How workers wait, wake each other, and keep one failing item from stopping the others."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

ItemT = TypeVar("ItemT")
ItemT_co = TypeVar("ItemT_co", covariant=True)
KeyT = TypeVar("KeyT")


class WakeProviders(Protocol):
    """Lets judge workers of this process look for work immediately."""

    def __call__(self, *providers: str) -> None:
        """Wake those of these providers; all of them where none is named."""
        ...


class Wakeup(Protocol):
    """Rests until there is work."""

    def wake(self) -> None:
        """End the rest."""
        ...

    async def wait(self, seconds: float) -> bool:
        """Rest until woken, at most this long."""
        ...


class FailedItem(Protocol[ItemT_co]):
    """An item that cannot be handled, and the error that says so."""

    @property
    def item(self) -> ItemT_co:
        """The item."""
        ...

    @property
    def error(self) -> Exception:
        """The error."""
        ...


class Isolate(Protocol):
    """Handles a set of items and narrows it to those that fail on their own, which are returned.

    ``handle`` does all of a set or nothing. Raises errors of the infrastructure, which say nothing about any item.
    """

    async def __call__(
        self, items: Sequence[ItemT], handle: Callable[[Sequence[ItemT]], Awaitable[None]]
    ) -> Sequence[FailedItem[ItemT]]:
        """Handle the items."""
        ...


class FailureCount(Protocol[KeyT]):
    """Counts failures of items; an item that has failed too often is set aside."""

    async def __call__(self, errors: Mapping[KeyT, Exception]) -> None:
        """Count one failure of each; raises errors of the infrastructure only."""
        ...


class Heartbeat(Protocol):
    """Shows that a worker completes its steps."""

    def beat(self) -> None:
        """A step was completed."""
        ...

    def silent_seconds(self) -> float:
        """Seconds since the last completed step."""
        ...


class StepLog(Protocol):
    """Logs the failed steps of one worker, an outage of the infrastructure once for all workers."""

    def failed(self, error: Exception) -> None:
        """A step failed."""
        ...

    def completed(self) -> None:
        """A step was completed."""
        ...
