"""What the gate promises with a shared secret: only an administrator's own, valid token opens it."""

import base64
import json
import time

import jwt
import pytest
from event_contracts import ConfigurationError, NotAuthenticated, NotAuthorized
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from service_kit.http.authentication import TokenGate, TrustedIssuer
from service_kit.http.keys import SharedSecret, check_jwks_url
from service_kit.http.permissions import Permission
from service_kit.tests.tokens import (
    AUDIENCE,
    ISSUER,
    SHARED_SECRET,
    claims,
    rsa_key,
    signed,
    signed_with_secret,
    unsigned,
)

ISSUERS = [TrustedIssuer(keys=SharedSecret(SHARED_SECRET), issuer=ISSUER, audience=AUDIENCE)]


class _Gate:
    """The gate, asked for an administrator."""

    async def admit(self, header: str | None) -> str:
        shown = [] if header is None else [header]
        caller = await TokenGate(ISSUERS).admit(shown, any_of=frozenset({Permission.ADMINISTER}))
        return caller.subject


GATE = _Gate()


def stripped() -> str:
    """A good token whose header says none and whose signature is gone."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=")
    return f"{header.decode()}.{signed_with_secret().split('.')[1]}."


async def test_an_administrator_is_admitted_and_named() -> None:
    admitted = [await GATE.admit(f"{scheme} {signed_with_secret()}") for scheme in ("Bearer", "bearer")]

    assert admitted == ["admin@example.org"] * 2


async def test_an_audience_among_several_is_enough() -> None:
    token = signed_with_secret(aud=["another-platform", AUDIENCE])

    assert await GATE.admit(f"Bearer {token}") == "admin@example.org"


@pytest.mark.parametrize("clock", [{"exp": -20}, {"iat": 20}], ids=["just-over", "just-ahead"])
async def test_clocks_may_be_half_a_minute_apart(clock: dict[str, int]) -> None:
    moments: dict[str, JsonValue] = {name: int(time.time()) + seconds for name, seconds in clock.items()}

    assert await GATE.admit(f"Bearer {signed_with_secret(**moments)}") == "admin@example.org"


async def test_a_token_that_was_over_a_minute_ago_is_refused() -> None:
    token = signed_with_secret(exp=int(time.time()) - 60)

    with pytest.raises(NotAuthenticated, match="valid access token"):
        await GATE.admit(f"Bearer {token}")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1_600_000_000},
        {"iat": 4_000_000_000},
        {"nbf": 4_000_000_000},
        {"iss": "somebody-else"},
        {"aud": "another-platform"},
        {"aud": ["another-platform"]},
        *({name: None} for name in ("sub", "exp", "iss", "aud", "roles")),
        {"sub": ""},
        {"sub": 7},
        {"roles": "admin"},
        {"roles": {"admin": True}},
        {"roles": ["admin", 7]},
    ],
    ids=str,
)
async def test_a_token_whose_claims_do_not_fit_is_refused(changes: dict[str, JsonValue]) -> None:
    with pytest.raises(NotAuthenticated):
        await GATE.admit(f"Bearer {signed_with_secret(**changes)}")


@pytest.mark.parametrize(
    "token",
    [
        unsigned(),
        stripped(),
        jwt.encode(claims(), SHARED_SECRET[::-1], algorithm="HS256"),
        jwt.encode(claims(), SHARED_SECRET, algorithm="HS512"),
        signed(rsa_key(), key_id="k1"),
        signed_with_secret()[:-4],
    ],
    ids=["none", "stripped", "other-secret", "other-algorithm", "rsa", "cut-off"],
)
async def test_a_token_that_is_not_signed_with_the_secret_is_refused(token: str) -> None:
    with pytest.raises(NotAuthenticated):
        await GATE.admit(f"Bearer {token}")


@pytest.mark.parametrize("roles", [[], ["teacher"], ["Admin", "administrator"]], ids=str)
async def test_a_valid_token_without_the_role_is_not_enough(roles: list[JsonValue]) -> None:
    with pytest.raises(NotAuthorized, match="does not permit"):
        await GATE.admit(f"Bearer {signed_with_secret(roles=roles)}")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YWRtaW46YWRtaW4="], ids=str)
async def test_a_caller_without_a_token_is_told_how_to_show_one(header: str | None) -> None:
    with pytest.raises(NotAuthenticated, match="Authorization: Bearer <token>"):
        await GATE.admit(header)


@given(st.text(st.characters(max_codepoint=255)))
async def test_no_text_in_the_place_of_a_token_opens_the_gate_or_breaks_it(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        await GATE.admit(f"Bearer {text}")


@pytest.mark.parametrize(
    "changes", [{"iss": "hunter2"}, {"roles": ["hunter2", 7]}, {"roles": ["hunter2"]}], ids=str
)
async def test_a_refusal_says_nothing_of_what_the_token_says(changes: dict[str, JsonValue]) -> None:
    token = signed_with_secret(**changes)

    with pytest.raises((NotAuthenticated, NotAuthorized)) as refused:
        await GATE.admit(f"Bearer {token}")

    assert "hunter2" not in f"{refused.value} {refused.value.details}"
    assert token.split(".")[1] not in str(refused.value)


def test_a_secret_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="32 bytes") as refused:
        SharedSecret("hunter2" * 4)

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://identity.example.org/.well-known/jwks.json",
        "http://localhost:7005/jwks",
        "http://127.0.0.1:7005/jwks",
        "http://[::1]:7005/jwks",
    ],
)
def test_keys_are_read_over_tls_or_from_this_machine(url: str) -> None:
    check_jwks_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://identity.example.org/jwks",
        "http://10.0.0.7/jwks",
        "http://localhost.example.org/jwks",
        "https://user:password@identity.example.org/jwks",
        "file:///etc/keys.json",
        "identity.example.org/jwks",
        "https://",
        "https://identity:port/jwks",
        "",
    ],
)
def test_keys_that_others_could_exchange_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="jwt_jwks_url"):
        check_jwks_url(url)
