"""Tokens for services that this program runs as processes: they trust the key that it signs its requests with."""

import time
from collections.abc import Generator, Mapping
from functools import lru_cache
from secrets import token_urlsafe
from typing import Final

import httpx2
from suite_access import StackAccess, StackKeys
from suite_access.stack_access import STACK_AUDIENCE, STACK_ISSUER

_KEYS: Final = StackKeys.generate()

TOKEN_SETTINGS: Final[Mapping[str, str]] = {
    "jwt_public_key": _KEYS.public_pem,
    "jwt_issuer": STACK_ISSUER,
    "jwt_audience": STACK_AUDIENCE,
    "service_secret": token_urlsafe(48),
}
"""Settings of every service that is started here."""


REUSED_SECONDS: Final = 60


def own_token() -> str:
    """An administrator's token that these services believe for nine minutes; like any caller's, it is used again."""
    return _token_of(int(time.monotonic()) // REUSED_SECONDS)


@lru_cache(maxsize=1)
def _token_of(period: int) -> str:  # noqa: ARG001 - another period, another token
    return StackAccess(services={}, private_key=_KEYS.private_pem).token()


class OwnToken(httpx2.Auth):
    """Shows such a token with each request."""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Add the token."""
        request.headers["Authorization"] = f"Bearer {own_token()}"
        yield request
