"""Bearer tokens: authenticates callers of the administrators' routes."""

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol

import httpx2
import jwt
import structlog
from event_contracts import (
    ConfigurationError,
    NotAuthenticated,
    NotAuthorized,
    Unavailable,
    validation_reasons,
)
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

log = structlog.get_logger()

ADMIN: Final = "admin"
SHORTEST_SECRET_BYTES: Final = 32
READ_CLAIMS: Final = ("sub", "exp", "iat", "iss", "aud", "roles")
CLOCK_LEEWAY_SECONDS: Final = 30
"""How far the identity service's clock may differ from this one."""

KEYS_TIMEOUT_SECONDS: Final = 5.0
KEYS_LIFETIME_SECONDS: Final = 300.0
"""After this a key that has been withdrawn is no longer accepted."""

KEYS_FETCH_INTERVAL_SECONDS: Final = 10.0
"""Limits JWKS fetches so that unknown key ids cannot flood the identity service."""


class KeySource(Protocol):
    """Provides the key that a token must be signed with; only its algorithms are accepted."""

    @property
    def algorithms(self) -> Sequence[str]:
        """Their names as in a token's header."""
        ...

    async def key_for(self, token: str) -> jwt.PyJWK | str:
        """Raises ``jwt.PyJWTError`` for a token without a known key, ``Unavailable`` while keys cannot be read."""
        ...


class SharedSecret:
    """HS256 with one secret; raises ``ConfigurationError`` for one that is too short to be safe."""

    algorithms = ("HS256",)

    def __init__(self, secret: str) -> None:
        if len(secret.encode()) < SHORTEST_SECRET_BYTES:
            raise ConfigurationError(
                f"jwt_secret is too short: {SHORTEST_SECRET_BYTES} bytes at least, made at random"
            )
        self._secret = secret

    async def key_for(self, token: str) -> str:  # noqa: ARG002 - one for all tokens
        return self._secret


class _Published(BaseModel):
    """A JSON Web Key Set (RFC 7517, section 5)."""

    keys: list[dict[str, JsonValue]]


class PublishedKeys:
    """RS256 or ES256 with the keys that the identity service publishes (JWKS).

    They are kept for five minutes, and fetched again for a key id that is not among them; one fetch at a time.
    """

    algorithms = ("RS256", "ES256")

    def __init__(
        self, url: str, *, client: httpx2.AsyncClient, fetch_interval: float = KEYS_FETCH_INTERVAL_SECONDS
    ) -> None:
        check_jwks_url(url)
        self._url = url
        self._client = client
        self._fetch_interval = fetch_interval
        self._fetching = asyncio.Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._keep_until = self._next_fetch_at = monotonic()
        self._fetch_failed = True

    async def key_for(self, token: str) -> jwt.PyJWK:
        key_id = jwt.get_unverified_header(token).get("kid")
        if not isinstance(key_id, str):
            raise jwt.InvalidKeyError("the token names no key")
        return self._known(key_id) or await self._fetched(key_id)

    def _known(self, key_id: str) -> jwt.PyJWK | None:
        return self._keys.get(key_id) if monotonic() < self._keep_until else None

    async def _fetched(self, key_id: str) -> jwt.PyJWK:
        async with self._fetching:
            if monotonic() >= self._next_fetch_at:
                await self._fetch()
        if key := self._known(key_id):
            return key
        if self._fetch_failed:
            raise Unavailable("the identity service's keys cannot be read", retry_after=self._fetch_interval)
        raise jwt.InvalidKeyError("the token's key is not published")

    async def _fetch(self) -> None:
        self._next_fetch_at, self._fetch_failed = monotonic() + self._fetch_interval, True
        try:
            async with asyncio.timeout(KEYS_TIMEOUT_SECONDS):
                answer = (await self._client.get(self._url)).raise_for_status()
            self._keys = self._usable(answer.content)
        except (httpx2.HTTPError, TimeoutError, ValidationError, jwt.PyJWTError) as error:
            log.warning("jwks.unreadable", url=self._url, reason=type(error).__name__)
        else:
            self._keep_until, self._fetch_failed = monotonic() + KEYS_LIFETIME_SECONDS, False

    def _usable(self, body: bytes) -> Mapping[str, jwt.PyJWK]:
        return {
            key.key_id: key
            for key in jwt.PyJWKSet(_Published.model_validate_json(body).keys)
            if key.key_id and key.algorithm_name in self.algorithms and key.public_key_use in ("sig", None)
        }


class _Claims(BaseModel):
    """The claims that are read from a token whose signature and times are valid."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    sub: str = Field(min_length=1)
    roles: list[str]


@dataclass(frozen=True, kw_only=True)
class AdministratorsOnly:
    """Admits callers with a valid token that has the role ``admin``."""

    keys: KeySource
    issuer: str
    audience: str

    async def admit(self, authorization: str | None) -> str:
        """The token's subject, from the Authorization header.

        Raises ``NotAuthenticated``, ``NotAuthorized``, or ``Unavailable`` where the keys cannot be read.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotAuthenticated("show a token: Authorization: Bearer <token>")
        try:
            claims = await self._claims(token)
        except jwt.PyJWTError as error:
            raise NotAuthenticated(f"the token is not accepted: {type(error).__name__}") from error
        except ValidationError as error:
            reasons = "; ".join(validation_reasons(error))
            raise NotAuthenticated(f"the token's claims do not fit: {reasons}") from error
        if ADMIN not in claims.roles:
            raise NotAuthorized(f"this needs the role {ADMIN}")
        return claims.sub

    async def _claims(self, token: str) -> _Claims:
        return _Claims.model_validate(
            jwt.decode(
                token,
                await self.keys.key_for(token),
                algorithms=self.keys.algorithms,
                issuer=self.issuer,
                audience=self.audience,
                leeway=CLOCK_LEEWAY_SECONDS,
                options={"require": list(READ_CLAIMS), "enforce_minimum_key_length": True},
            )
        )


def check_jwks_url(url: str) -> None:
    """Raise ``ConfigurationError`` for a URL whose answers could be replaced on their way."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise ConfigurationError("jwt_jwks_url is not a URL") from error
    if not parsed.host or parsed.userinfo or parsed.scheme not in ("http", "https"):
        raise ConfigurationError("jwt_jwks_url must be https://host[:port]/... without user or password")
    if parsed.scheme == "http" and not _is_this_machine(parsed.host):
        raise ConfigurationError("jwt_jwks_url must be https; plain http only to localhost, 127.0.0.1 or ::1")


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
