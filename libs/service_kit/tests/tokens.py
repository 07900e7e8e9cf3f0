"""An identity service for tests: it signs tokens, and publishes its keys on loopback."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from pydantic import JsonValue
from service_kit.http.permissions import Caller, Permission

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ISSUER, AUDIENCE = "huleedu-identity-service", "huleedu-platform"
SHARED_SECRET = "a secret that only these tests know, and long enough for each of the algorithms"


def claims(**changes: JsonValue) -> dict[str, JsonValue]:
    """Of an administrator's token; a claim that is changed to None is left out."""
    now = int(time.time())
    complete: dict[str, JsonValue] = {
        "sub": "admin@example.org",
        "iat": now,
        "exp": now + 86_400,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "org": "school-1",
        "roles": ["teacher", "admin"],
        **changes,
    }
    return {name: value for name, value in complete.items() if value is not None}


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


def signed_with_secret(**changes: JsonValue) -> str:
    """An HS256 token."""
    return jwt.encode(claims(**changes), SHARED_SECRET, algorithm="HS256")


def unsigned(*, key_id: str | None = None) -> str:
    """A token that says it needs no signature."""
    return jwt.encode(claims(), "", algorithm="none", headers={"kid": key_id} if key_id else None)


@cache
def rsa_key(number: int = 1) -> rsa.RSAPrivateKey:  # noqa: ARG001 - another one for another number
    """An RSA key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    """A P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def signed(key: PrivateKey, *, key_id: str | None, **changes: JsonValue) -> str:
    """An RS256 or ES256 token."""
    headers = None if key_id is None else {"kid": key_id}
    return jwt.encode(claims(**changes), key, algorithm=algorithm(key), headers=headers)


def algorithm(key: PrivateKey) -> str:
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"


def published(key: PrivateKey, *, key_id: str) -> Mapping[str, JsonValue]:
    """The public half, as a JSON Web Key."""
    if isinstance(key, rsa.RSAPrivateKey):
        public: dict[str, JsonValue] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": key_id, "use": "sig", "alg": algorithm(key)}


@dataclass
class IdentityService:
    """Answers every request with its keys, or with ``body`` and ``status`` where they are set."""

    keys: list[Mapping[str, JsonValue]] = field(default_factory=list)
    status: int = 200
    body: bytes | None = None
    readings: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        """Where the keys are."""
        return f"http://127.0.0.1:{self.port}/.well-known/jwks.json"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.readings += 1
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        head = f"HTTP/1.1 {self.status} Said\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def identity_service(*keys: Mapping[str, JsonValue]) -> AsyncIterator[IdentityService]:
    """Publish these keys until the context ends."""
    service = IdentityService(keys=list(keys))
    async with await asyncio.start_server(service.answer, "127.0.0.1", 0) as server:
        service.port = server.sockets[0].getsockname()[1]
        yield service


SERVICE_SECRET = "what the suite's services know each other by, for these tests alone"
KEYS: Mapping[str, str] = {"jwt_secret": SHARED_SECRET, "service_secret": SERVICE_SECRET}
"""Settings of a service in a test: it believes tokens that are signed with the shared secret."""

ADMIN = bearer(signed_with_secret())
"""The header of an administrator, for services with these settings."""


class OpenGate:
    """Admits everybody as an administrator: for applications whose routes are not what a test is about."""

    async def admit(
        self,
        authorization: Sequence[str],  # noqa: ARG002 - everybody is admitted
        *,
        any_of: frozenset[Permission],  # noqa: ARG002 - to everything
    ) -> Caller:
        return Caller(subject="operator-1", organisation=None, issuer=ISSUER, roles=("admin",))
