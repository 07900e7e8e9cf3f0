"""The keys that tokens are signed with: a shared secret, a public key, or those that an identity service publishes.

The algorithm belongs to the key and never comes from the token.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

import httpx2
import jwt
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from event_contracts import MIN_SECRET_BYTES, ConfigurationError, Unavailable
from event_contracts.addresses import is_loopback
from pydantic import BaseModel, JsonValue, ValidationError

from service_kit.http.bounded_body import TooLong, bounded_body

log = structlog.get_logger()

MIN_RSA_BITS: Final = 2048
PEM_MARK: Final = "-----BEGIN"
MAX_PEM_BYTES: Final = 16_384
MAX_PUBLISHED_BYTES: Final = 1_000_000

KEYS_TIMEOUT_SECONDS: Final = 5.0
KEYS_LIFETIME_SECONDS: Final = 300.0
"""After this a key that has been withdrawn is no longer accepted."""

KEYS_FETCH_INTERVAL_SECONDS: Final = 10.0
"""Limits JWKS fetches so that unknown key ids cannot flood the identity service."""

SigningKey = jwt.PyJWK | rsa.RSAPublicKey | ec.EllipticCurvePublicKey | str


class KeySource(Protocol):
    """Provides the key that a token must be signed with; only its algorithms are accepted."""

    @property
    def algorithms(self) -> Sequence[str]:
        """Their names as in a token's header."""
        ...

    async def key_for(self, key_id: JsonValue) -> SigningKey:
        """The key of this id, which is whatever the token's header holds.

        Raises ``jwt.PyJWTError`` where there is none, ``Unavailable`` while keys cannot be read.
        """
        ...


class SharedSecret:
    """HS256 with one secret; raises ``ConfigurationError`` for one that is too short to be safe."""

    algorithms = ("HS256",)

    def __init__(self, secret: str, *, name: str = "the secret") -> None:
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise ConfigurationError(
                f"{name} is too short: {MIN_SECRET_BYTES} bytes at least, made at random"
            )
        self._secret = secret

    async def key_for(self, key_id: JsonValue) -> str:  # noqa: ARG002 - one for all tokens
        return self._secret


class PublicKey:
    """RS256 or ES256 with one public key in PEM, given as text or as the path of a file.

    Raises ``ConfigurationError`` for anything but an RSA key of 2048 bits or more, or a P-256 key.
    """

    def __init__(self, pem_or_path: str) -> None:
        self._key = _public_key(_pem(pem_or_path))
        self.algorithms: Sequence[str] = ("RS256",) if isinstance(self._key, rsa.RSAPublicKey) else ("ES256",)

    async def key_for(self, key_id: JsonValue) -> SigningKey:  # noqa: ARG002 - one for all tokens
        return self._key


class _JwkSet(BaseModel):
    """A JSON Web Key Set (RFC 7517, section 5)."""

    keys: list[dict[str, JsonValue]]


class PublishedKeys:
    """RS256 or ES256 with the keys that the identity service publishes (JWKS).

    They are kept for five minutes, and fetched again for a key id that is not among them; one fetch at a time.
    """

    algorithms = ("RS256", "ES256")

    def __init__(
        self,
        url: str,
        *,
        client: httpx2.AsyncClient,
        http_hosts: Collection[str] = (),
        fetch_interval: float = KEYS_FETCH_INTERVAL_SECONDS,
    ) -> None:
        check_jwks_url(url, http_hosts=http_hosts)
        self._url = url
        self._client = client
        self._fetch_interval = fetch_interval
        self._fetching = asyncio.Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._keep_until = self._next_fetch_at = monotonic()
        self._fetch_failed = True

    async def key_for(self, key_id: JsonValue) -> jwt.PyJWK:
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
            raise Unavailable(
                "the identity service's keys cannot be read: try again later",
                retry_after=self._fetch_interval,
            )
        raise jwt.InvalidKeyError("the token's key is not published")

    async def _fetch(self) -> None:
        self._next_fetch_at, self._fetch_failed = monotonic() + self._fetch_interval, True
        try:
            async with asyncio.timeout(KEYS_TIMEOUT_SECONDS):
                body = await self._body()
            self._keys = self._usable(body)
        except (httpx2.HTTPError, TimeoutError, ValidationError, jwt.PyJWTError) as error:
            log.warning("jwks.unreadable", url=self._url, reason=type(error).__name__)
        else:
            self._keep_until, self._fetch_failed = monotonic() + KEYS_LIFETIME_SECONDS, False

    async def _body(self) -> bytes:
        """Up to a limit: what is longer is no set of keys, as an empty answer is none."""
        async with self._client.stream("GET", self._url) as answer:
            answer.raise_for_status()
            body = await bounded_body(answer.aiter_bytes(), max_bytes=MAX_PUBLISHED_BYTES)
        return b"" if isinstance(body, TooLong) else body

    def _usable(self, body: bytes) -> Mapping[str, jwt.PyJWK]:
        return {
            key.key_id: key
            for key in jwt.PyJWKSet(_JwkSet.model_validate_json(body).keys)
            if key.key_id and key.algorithm_name in self.algorithms and key.public_key_use in ("sig", None)
        }


def check_jwks_url(url: str, *, http_hosts: Collection[str] = ()) -> None:
    """Raise ``ConfigurationError`` for a URL whose answers could be replaced on their way.

    Plain http is for this machine, and for hosts in ``http_hosts``: those of a network that is trusted.
    """
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise ConfigurationError("jwt_jwks_url is not a URL") from error
    if not parsed.host or parsed.userinfo or parsed.scheme not in ("http", "https"):
        raise ConfigurationError("jwt_jwks_url must be https://host[:port]/... without user or password")
    if parsed.scheme == "http" and not (is_loopback(parsed.host) or parsed.host in http_hosts):
        raise ConfigurationError(
            "jwt_jwks_url must be https; plain http only to localhost, 127.0.0.1 or ::1, or to a host that"
            " jwt_jwks_http_hosts names"
        )


def _pem(pem_or_path: str) -> bytes:
    if pem_or_path.lstrip().startswith(PEM_MARK):
        return pem_or_path.replace("\\n", "\n").encode()
    try:
        return Path(pem_or_path).read_bytes()[:MAX_PEM_BYTES]
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            "jwt_public_key is neither a PEM text nor a file that can be read"
        ) from error


def _public_key(pem: bytes) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError("jwt_public_key is not a PEM public key") from error
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ConfigurationError(f"jwt_public_key must be RSA of {MIN_RSA_BITS} bits or more, or P-256")
