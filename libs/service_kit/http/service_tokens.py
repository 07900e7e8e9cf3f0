"""The token that a service of the suite shows another: signed here, for a few minutes, with the suite's secret."""

from collections.abc import Generator
from time import time
from typing import Final

import httpx2
import jwt

from service_kit.http.authentication import SUITE_ISSUER
from service_kit.http.keys import SharedSecret
from service_kit.http.permissions import Role

LIFETIME_SECONDS: Final = 300
RENEWED_BEFORE_SECONDS: Final = 60


class ServiceToken(httpx2.Auth):
    """Signs requests of one service; raises ``ConfigurationError`` for a secret that is too short."""

    def __init__(self, secret: str, *, service: str, audience: str, role: Role = Role.SERVICE) -> None:
        SharedSecret(secret)
        self._secret = secret
        self._service = service
        self._audience = audience
        self._role = role
        self._token = ""
        self._renew_at = 0.0

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Show the token, renewed before it expires."""
        request.headers["Authorization"] = f"Bearer {self.token()}"
        yield request

    def token(self) -> str:
        """A token that is valid for another minute at least."""
        now = time()
        if now >= self._renew_at:
            claims = {
                "sub": self._service,
                "iss": SUITE_ISSUER,
                "aud": self._audience,
                "iat": int(now),
                "exp": int(now) + LIFETIME_SECONDS,
                "roles": [self._role.value],
            }
            self._token = jwt.encode(claims, self._secret, algorithm="HS256")
            self._renew_at = now + LIFETIME_SECONDS - RENEWED_BEFORE_SECONDS
        return self._token
