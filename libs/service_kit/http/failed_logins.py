"""Limits how often a client may show tokens that are not accepted: a client that guesses or floods is told to wait."""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from event_contracts import RateLimited

WINDOW_SECONDS: Final = 60.0
DEFAULT_MAX_FAILED_LOGINS: Final = 120
MAX_REMEMBERED: Final = 10_000
"""Clients, and tokens; those that were met least recently are forgotten first."""


@dataclass(kw_only=True)
class FailedLogins:
    """Refused tokens by client address, in windows of a minute; of this process alone.

    A token that was accepted before is let through all the same: behind a proxy, many clients share one address.
    """

    per_minute: int
    _windows: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict, init=False)
    _accepted: OrderedDict[bytes, None] = field(default_factory=OrderedDict, init=False)

    def check(self, address: str, authorization: str) -> None:
        """Raise ``RateLimited`` for an unknown token from a client whose tokens were refused too often."""
        ends_at, count = self._window(address)
        if count >= self.per_minute and _digest(authorization) not in self._accepted:
            raise RateLimited(
                f"more than {self.per_minute} tokens from your address were refused within a minute",
                retry_after=max(1.0, ends_at - time.monotonic()),
            )

    def refused(self, address: str) -> None:
        """Count a token that was not accepted."""
        ends_at, count = self._window(address)
        self._windows[address] = (ends_at, count + 1)
        self._windows.move_to_end(address)
        while len(self._windows) > MAX_REMEMBERED:
            self._windows.popitem(last=False)

    def accepted(self, authorization: str) -> None:
        """Remember a token that was accepted, by its digest."""
        digest = _digest(authorization)
        self._accepted[digest] = None
        self._accepted.move_to_end(digest)
        while len(self._accepted) > MAX_REMEMBERED:
            self._accepted.popitem(last=False)

    def _window(self, address: str) -> tuple[float, int]:
        now = time.monotonic()
        ends_at, count = self._windows.get(address, (0.0, 0))
        return (ends_at, count) if now < ends_at else (now + WINDOW_SECONDS, 0)


def _digest(authorization: str) -> bytes:
    return hashlib.sha256(authorization.encode("utf-8", "surrogateescape")).digest()
