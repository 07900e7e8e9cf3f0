"""Tokens that have been verified, so that a caller who shows one again does not pay for its signature again.

No token is believed longer for it: whether it has expired, and whether the key that it was verified with is still
its issuer's, is asked each time. Everything else about a token is fixed by its bytes.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from time import time
from typing import Final

from pydantic import JsonValue

from service_kit.http.keys import KeySource, SigningKey
from service_kit.http.permissions import Caller

MAX_VERIFIED_TOKENS: Final = 1_024
"""The least recently shown is forgotten first; an entry takes less than a kilobyte."""

CLOCK_LEEWAY_SECONDS: Final = 30
"""How far the identity service's clock may differ from this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """Whom a token names, for as long as ``key`` is its issuer's and its ``exp`` (seconds since 1970) is to come."""

    caller: Caller
    keys: KeySource
    key_id: JsonValue
    key: SigningKey
    expires_at: float

    async def still_holds(self) -> bool:
        """Raises what ``KeySource.key_for`` raises."""
        return time() - CLOCK_LEEWAY_SECONDS < self.expires_at and (
            await self.keys.key_for(self.key_id) is self.key
        )


class VerifiedTokens:
    """Keeps digests, never a token: what lies in memory opens nothing."""

    def __init__(self) -> None:
        self._by_digest: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    async def caller_of(self, token: str) -> Caller | None:
        """The caller that the token was verified for, or None where it must be verified (again)."""
        digest = _digest(token)
        known = self._by_digest.get(digest)
        if known is None:
            return None
        if not await known.still_holds():
            self._by_digest.pop(digest, None)
            return None
        if digest in self._by_digest:
            self._by_digest.move_to_end(digest)
        return known.caller

    def keep(self, token: str, verified: VerifiedToken) -> None:
        self._by_digest[_digest(token)] = verified
        if len(self._by_digest) > MAX_VERIFIED_TOKENS:
            self._by_digest.popitem(last=False)


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
