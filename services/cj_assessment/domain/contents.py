"""Contents as they come from where they are kept: what was found, what was not, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from event_contracts import ContentServiceError, ErrorCode, InvalidRequest, NotFound

MAX_CONTENT_BYTES: Final = 1024 * 1024
"""Of one text: four times the 60,000 characters that an essay may have, each of four bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Contents by storage id, why others could not be fetched now, and which are longer than was asked for.

    An id in none of the three is not known there.
    """

    bodies: Mapping[str, bytes]
    failures: Mapping[str, str]
    too_long: frozenset[str] = frozenset()

    def body_of(self, storage_id: str, *, name: str) -> bytes:
        """The bytes under an id; ``name`` says in errors what they are.

        Raises ``ContentServiceError`` where they cannot be fetched now, ``InvalidRequest`` where they are too long,
        and ``NotFound`` where there are none.
        """
        if storage_id in self.failures:
            raise ContentServiceError(f"the {name} cannot be fetched: {self.failures[storage_id]}")
        if storage_id in self.too_long:
            raise InvalidRequest(
                f"the {name} is too long: shorten it", details={"code": ErrorCode.CONTENT_TOO_LONG}
            )
        if storage_id not in self.bodies:
            raise NotFound(f"no {name} is stored under {storage_id!r}: store it, and send the request again")
        return self.bodies[storage_id]

    def text_of(self, storage_id: str, *, name: str) -> str:
        """The text under an id. Raises as ``body_of`` does, and ``InvalidRequest`` for what is not UTF-8 text."""
        try:
            text = self.body_of(storage_id, name=name).decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidRequest(f"the {name} is not UTF-8 text") from None
        if "\x00" in text:
            raise InvalidRequest(f"the {name} holds NUL characters: it is not text")
        return text
