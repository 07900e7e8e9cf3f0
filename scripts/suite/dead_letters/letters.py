"""Dead letters of three kinds in one shape, and which of them are meant."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from service_kit.messaging.dead_letters import Handled


class Kind(StrEnum):
    """What is no longer tried: an event, an outgoing message, or an item of a worker."""

    EVENT = "event"
    MESSAGE = "message"
    ITEM = "item"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter; ``place`` is its topic, destination or worker, ``event_id`` its other name."""

    kind: Kind
    letter_id: str
    place: str
    reason: str
    error: str
    at: datetime
    service: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Selects letters; a field that is None or empty matches everything."""

    topic: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: frozenset[str] = frozenset()

    @property
    def is_everything(self) -> bool:
        """True where nothing is left out."""
        return self == Selection()

    def admits(self, letter: Letter) -> bool:
        """True for a letter that is selected."""
        return (
            (self.topic is None or self.topic == letter.place)
            and (self.reason is None or self.reason == letter.reason)
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or letter.at <= self.until)
            and (not self.ids or letter.letter_id in self.ids or letter.event_id in self.ids)
        )


class Source(Protocol):
    """Where letters of one kind are kept."""

    def letters(self, selection: Selection) -> AsyncIterator[Letter]:
        """Those that wait and are meant."""
        ...

    async def content(self, letter: Letter) -> str:
        """What a letter says, for an operator to read."""
        ...

    async def replay(self, selection: Selection) -> Handled:
        """Let the letters that are meant be handled again; one that is refused keeps no other back."""
        ...

    async def drop(self, selection: Selection) -> Handled:
        """Forget the letters that are meant; one that is refused keeps no other back."""
        ...
