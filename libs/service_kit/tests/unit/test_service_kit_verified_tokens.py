"""What verified tokens promise: one verification per token, and no token believed for longer because of it."""

from time import time

import jwt
import pytest
from event_contracts import NotAuthenticated
from service_kit.http import authentication
from service_kit.http.authentication import TokenGate, TrustedIssuer
from service_kit.http.keys import SharedSecret
from service_kit.http.permissions import Caller
from service_kit.http.verified_tokens import (
    CLOCK_LEEWAY_SECONDS,
    MAX_VERIFIED_TOKENS,
    VerifiedToken,
    VerifiedTokens,
)
from service_kit.tests.tokens import AUDIENCE, ISSUER, SHARED_SECRET, signed_with_secret

KEYS = SharedSecret(SHARED_SECRET)
CALLER = Caller(subject="anna", organisation=None, issuer=ISSUER, roles=("admin",))


def verified(*, expires_in: float = 60.0, key: str = SHARED_SECRET) -> VerifiedToken:
    return VerifiedToken(caller=CALLER, keys=KEYS, key_id=None, key=key, expires_at=time() + expires_in)


async def test_a_token_is_verified_once_however_often_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = TokenGate([TrustedIssuer(keys=KEYS, issuer=ISSUER, audience=AUDIENCE)])
    shown = [f"Bearer {signed_with_secret()}"]
    first = await gate.identify(shown)
    monkeypatch.delattr(authentication, "jwt")

    assert [await gate.identify(shown) for _ in range(3)] == [first] * 3


async def test_one_changed_character_makes_it_another_token() -> None:
    gate = TokenGate([TrustedIssuer(keys=KEYS, issuer=ISSUER, audience=AUDIENCE)])
    token = signed_with_secret()
    await gate.identify([f"Bearer {token}"])

    for place in range(len(token)):
        other = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        # The last character of a part carries bits that base64 does not use: the same bytes, rightly let in.
        if _same_bytes(token, other):
            continue
        with pytest.raises(NotAuthenticated):
            await gate.identify([f"Bearer {other}"])


async def test_a_token_is_forgotten_when_it_expires() -> None:
    tokens = VerifiedTokens()
    tokens.keep("valid", verified(expires_in=-CLOCK_LEEWAY_SECONDS + 20))
    tokens.keep("expired", verified(expires_in=-CLOCK_LEEWAY_SECONDS))

    assert [await tokens.caller_of(token) for token in ("valid", "expired")] == [CALLER, None]


async def test_a_token_is_forgotten_when_its_issuer_has_another_key() -> None:
    tokens = VerifiedTokens()
    tokens.keep("token", verified(key="the issuer's former secret"))

    assert await tokens.caller_of("token") is None


async def test_the_tokens_shown_least_recently_are_forgotten_first() -> None:
    tokens = VerifiedTokens()
    for number in range(MAX_VERIFIED_TOKENS):
        tokens.keep(str(number), verified())
    await tokens.caller_of("0")
    tokens.keep("one more", verified())

    found = {token: await tokens.caller_of(token) for token in ("0", "1", "one more")}
    assert found == {"0": CALLER, "1": None, "one more": CALLER}


def _same_bytes(token: str, other: str) -> bool:
    return [jwt.utils.base64url_decode(part) for part in token.split(".")] == [
        jwt.utils.base64url_decode(part) for part in other.split(".")
    ]
