"""What the gate promises with published keys: it reads them when it must, and believes no other."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from event_contracts import NotAuthenticated, Unavailable
from pydantic import JsonValue
from service_kit.http import keys as key_sources
from service_kit.http.authentication import TokenGate, TrustedIssuer
from service_kit.http.keys import PublishedKeys
from service_kit.http.permissions import Permission
from service_kit.tests.builders import captured_logs
from service_kit.tests.tokens import (
    AUDIENCE,
    ISSUER,
    IdentityService,
    PrivateKey,
    claims,
    ec_key,
    identity_service,
    published,
    rsa_key,
    signed,
    signed_with_secret,
    unsigned,
)

RSA = published(rsa_key(), key_id="rsa-1")
EC = published(ec_key(), key_id="ec-1")
GOOD = "admin@example.org"


class Admitting:
    """The gate, asked for an administrator."""

    def __init__(self, gate: TokenGate) -> None:
        self._gate = gate

    async def admit(self, header: str) -> str:
        caller = await self._gate.admit([header], any_of=frozenset({Permission.ADMINISTER}))
        return caller.subject


@asynccontextmanager
async def gate_at(url: str, *, fetch_interval: float = 60.0) -> AsyncIterator[Admitting]:
    async with httpx2.AsyncClient() as client:
        keys = PublishedKeys(url, client=client, fetch_interval=fetch_interval)
        yield Admitting(TokenGate([TrustedIssuer(keys=keys, issuer=ISSUER, audience=AUDIENCE)]))


@asynccontextmanager
async def gate(
    *published_keys: Mapping[str, JsonValue], fetch_interval: float = 60.0
) -> AsyncIterator[tuple[Admitting, IdentityService]]:
    async with (
        identity_service(*published_keys) as identity,
        gate_at(identity.url, fetch_interval=fetch_interval) as admitting,
    ):
        yield admitting, identity


@pytest.mark.parametrize(
    ("key", "key_id"), [(rsa_key(), "rsa-1"), (ec_key(), "ec-1")], ids=["RS256", "ES256"]
)
async def test_tokens_of_both_kinds_of_key_are_accepted(key: PrivateKey, key_id: str) -> None:
    async with gate(RSA, EC) as (admitting, _):
        assert await admitting.admit(f"Bearer {signed(key, key_id=key_id)}") == GOOD


async def test_keys_are_read_once_for_many_tokens_at_once() -> None:
    token = signed(rsa_key(), key_id="rsa-1")
    async with gate(RSA) as (admitting, identity):
        admitted = await asyncio.gather(*(admitting.admit(f"Bearer {token}") for _ in range(20)))

    assert admitted == [GOOD] * 20
    assert identity.readings == 1


async def test_a_key_that_is_new_is_read_at_once() -> None:
    async with gate(RSA, fetch_interval=0.0) as (admitting, identity):
        await admitting.admit(f"Bearer {signed(rsa_key(), key_id='rsa-1')}")
        identity.keys = [EC]

        assert await admitting.admit(f"Bearer {signed(ec_key(), key_id='ec-1')}") == GOOD
        with pytest.raises(NotAuthenticated):
            await admitting.admit(f"Bearer {signed(rsa_key(), key_id='rsa-1')}")


async def test_a_withdrawn_key_is_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sources, "KEYS_LIFETIME_SECONDS", 0.05)
    token = signed(rsa_key(), key_id="rsa-1")
    async with gate(RSA, fetch_interval=0.0) as (admitting, identity):
        await admitting.admit(f"Bearer {token}")
        identity.keys = [EC]
        await asyncio.sleep(0.1)

        with pytest.raises(NotAuthenticated):
            await admitting.admit(f"Bearer {token}")


async def test_made_up_key_ids_do_not_flood_the_identity_service() -> None:
    async with gate(RSA) as (admitting, identity):
        for number in range(10):
            with pytest.raises(NotAuthenticated):
                await admitting.admit(f"Bearer {signed(rsa_key(), key_id=f'made-up-{number}')}")

    assert identity.readings == 1


def signed_with_public_key(key: rsa.RSAPrivateKey) -> str:
    """HS256 with the published key for its secret; by hand, for the library refuses to."""
    secret = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    hs256 = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    good = jwt.encode(claims(), "x" * 32, algorithm="HS256", headers={"kid": "rsa-1"})
    content = good.rpartition(".")[0]
    return f"{content}.{jwt.utils.base64url_encode(hs256.sign(content.encode(), secret)).decode()}"


@pytest.mark.parametrize(
    "token",
    [
        signed(rsa_key(2), key_id="rsa-1"),
        signed(rsa_key(), key_id="ec-1"),
        signed(ec_key(), key_id="rsa-1"),
        signed(rsa_key(), key_id=None),
        signed_with_secret(),
        signed_with_public_key(rsa_key()),
        unsigned(key_id="rsa-1"),
        jwt.encode(claims(), rsa_key(), algorithm="RS512", headers={"kid": "rsa-1"}),
        "not.a.token",
    ],
    ids=["other-key", "rsa-as-ec", "ec-as-rsa", "no-kid", "hs256", "confused", "none", "rs512", "garbage"],
)
async def test_a_token_that_is_not_signed_with_the_key_it_names_is_refused(token: str) -> None:
    async with gate(RSA, EC) as (admitting, _):
        with pytest.raises(NotAuthenticated):
            await admitting.admit(f"Bearer {token}")


@pytest.mark.parametrize(
    "unfit",
    [
        {"kty": "oct", "kid": "odd", "k": "eCd4" * 11, "alg": "HS256"},
        {**RSA, "kid": "odd", "use": "enc"},
        {**RSA, "kid": "odd", "alg": "RS512"},
    ],
    ids=["shared", "encrypting", "other-algorithm"],
)
async def test_published_keys_that_are_not_for_this_are_not_used(unfit: Mapping[str, JsonValue]) -> None:
    async with gate(RSA, unfit) as (admitting, _):
        with pytest.raises(NotAuthenticated):
            await admitting.admit(f"Bearer {signed(rsa_key(), key_id='odd')}")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_published_key_that_is_too_short_is_not_believed() -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    async with gate(published(short, key_id="short")) as (admitting, _):
        with pytest.raises(NotAuthenticated, match="valid access token"):
            await admitting.admit(f"Bearer {signed(short, key_id='short')}")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, None),
        (302, None),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"keys": []}'),
        (200, b'{"keys": "x"}'),
    ],
    ids=str,
)
async def test_keys_that_cannot_be_read_close_the_gate_for_the_moment(
    status: int, body: bytes | None
) -> None:
    token = f"Bearer {signed(rsa_key(), key_id='rsa-1')}"
    async with gate(RSA, fetch_interval=0.0) as (admitting, identity):
        identity.status, identity.body = status, body
        with captured_logs() as lines, pytest.raises(Unavailable):
            await admitting.admit(token)
        identity.status, identity.body = 200, None

        assert await admitting.admit(token) == GOOD
    assert [line["event"] for line in lines] == ["jwks.unreadable"]
    assert token not in str(lines)


async def test_an_identity_service_that_is_away_is_not_asked_by_each_request() -> None:
    async with gate_at("http://127.0.0.1:9/jwks") as admitting:
        with captured_logs() as lines:
            for _ in range(5):
                with pytest.raises(Unavailable) as refused:
                    await admitting.admit(f"Bearer {signed(rsa_key(), key_id='rsa-1')}")

    assert len(lines) == 1
    assert refused.value.retry_after == 60.0


async def test_tokens_with_known_keys_are_accepted_during_an_outage() -> None:
    good = f"Bearer {signed(rsa_key(), key_id='rsa-1')}"
    async with gate(RSA, fetch_interval=0.0) as (admitting, identity):
        await admitting.admit(good)
        identity.status = 500
        with pytest.raises(Unavailable):
            await admitting.admit(f"Bearer {signed(ec_key(), key_id='ec-1')}")

        assert await admitting.admit(good) == GOOD


async def test_a_silent_identity_service_stops_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sources, "KEYS_TIMEOUT_SECONDS", 0.2)
    silent = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    async with silent, gate_at(f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/jwks") as admitting:
        asked = asyncio.create_task(admitting.admit(f"Bearer {signed(rsa_key(), key_id='rsa-1')}"))
        ticks = 0
        while not asked.done():
            await asyncio.sleep(0.01)
            ticks += 1

        with pytest.raises(Unavailable):
            await asked
    assert ticks > 5
