"""Looking into the bodies that vendors are sent."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import JsonValue

KeyPath = tuple[str | int, ...]
NOWHERE: Final = object()


def at(body: Any, place: KeyPath) -> object:
    for step in place:
        if isinstance(step, str) and (not isinstance(body, dict) or step not in body):
            return NOWHERE
        body = body[step]
    return body


def texts(value: JsonValue) -> Iterator[str]:
    """All that is said under ``text`` or ``content``."""
    if isinstance(value, list):
        for part in value:
            yield from texts(part)
    if isinstance(value, dict):
        for name, part in value.items():
            if name in ("text", "content") and isinstance(part, str):
                yield part
            else:
                yield from texts(part)
