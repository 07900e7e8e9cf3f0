"""Tokens for services that this program runs as processes: they believe the key that it signs its requests with."""

from collections.abc import Generator, Mapping
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


class OwnToken(httpx2.Auth):
    """Shows an administrator's token that these services believe."""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Add the token."""
        token = StackAccess(services={}, private_key=_KEYS.private_pem).token()
        request.headers["Authorization"] = f"Bearer {token}"
        yield request
