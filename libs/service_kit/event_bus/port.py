"""The event bus as the suite sees it: keyed messages in, batches of records out, at least once, in key order."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = tuple[tuple[str, bytes], ...]

MAX_BATCH = 500
"""Records handed to a handler at once, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is published: ``key`` decides the partition, hence what stays in order."""

    topic: str
    key: str
    value: bytes
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A message as it was delivered, with its place in the log."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers
    partition: int
    offset: int


Handler = Callable[[Sequence[Record]], Awaitable[None]]
"""Handles 1 to ``MAX_BATCH`` records; returning means that they are dealt with and are not delivered again."""


class EventBus(Protocol):
    """Publish and subscribe; both adapters pass ``tests/integration/test_event_bus.py``."""

    def subscribe(self, topics: Sequence[str], *, group: str, handler: Handler) -> None:
        """Register before ``run``: each group gets every message once, retried until its handler returns."""
        ...

    async def start(self) -> None:
        """Connect; raises when the broker does not answer."""
        ...

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when every message is safe: acknowledged by all replicas, or handled by every subscriber."""
        ...

    async def run(self) -> None:
        """Deliver to the subscribers until cancelled."""
        ...

    async def ping(self) -> None:
        """Raise unless messages can be published and received now."""
        ...

    async def close(self) -> None:
        """Flush and disconnect."""
        ...
