"""An anchor that was read, before it is registered."""

from dataclasses import dataclass

from event_contracts import AnchorRegistration


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """An anchor as it would be registered, and the file that it was read from."""

    file: str
    registration: AnchorRegistration
