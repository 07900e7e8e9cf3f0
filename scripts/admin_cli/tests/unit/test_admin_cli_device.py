"""The device flow where a provider asks to slow down, fails for a moment, or is not to be trusted (RFC 8628)."""

from collections.abc import Mapping

import httpx2
import pytest
from admin_cli.login.device import DeviceCode, Discovery, await_tokens, begin, discover, provider_of
from event_contracts import ConfigurationError, InvalidRequest
from suite_access import IssuerUnavailable, LoginRefused

ISSUER = "https://id.example.org/realm"
DISCOVERY: Mapping[str, str] = {
    "issuer": ISSUER,
    "token_endpoint": f"{ISSUER}/token",
    "device_authorization_endpoint": f"{ISSUER}/device",
}
FOUND = Discovery.model_validate(DISCOVERY)
PROVIDER = provider_of(FOUND, client_id="cj-admin", resource=None)
CODE = DeviceCode(device_code="secret", user_code="AB-CD", verification_uri=f"{ISSUER}/go", expires_in=600)
Said = tuple[int, Mapping[str, object]]
PENDING: Said = (400, {"error": "authorization_pending"})
SLOWER: Said = (400, {"error": "slow_down"})
AWAY: Said = (503, {})
ISSUED: Said = (200, {"access_token": "token", "expires_in": 60})


def saying(*answers: Said) -> httpx2.Client:
    """A provider that gives these answers, one after the other."""
    outstanding = list(answers)

    def answer(_request: httpx2.Request) -> httpx2.Response:
        status, body = outstanding.pop(0)
        return httpx2.Response(status, json=dict(body))

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def waits_until_issued(*answers: Said) -> list[float]:
    waited: list[float] = []
    tokens = await_tokens(saying(*answers), PROVIDER, CODE, wait=waited.append)
    assert tokens.access_token == "token"
    return waited


def test_slow_down_is_honoured() -> None:
    assert waits_until_issued(PENDING, SLOWER, SLOWER, PENDING, ISSUED) == [5, 5, 10, 15, 15]


def test_a_provider_that_fails_for_a_moment_is_asked_again_later() -> None:
    assert waits_until_issued(AWAY, ISSUED) == [5, 10]


@pytest.mark.parametrize(
    ("error", "words"), [("access_denied", "declined"), ("expired_token", "in time"), ("other", "other")]
)
def test_a_failed_login_says_why(error: str, words: str) -> None:
    client = saying(PENDING, (400, {"error": error}))

    with pytest.raises(LoginRefused, match=words):
        await_tokens(client, PROVIDER, CODE, wait=lambda _: None)


def test_nobody_waits_longer_than_the_code_is_valid() -> None:
    code = CODE.model_copy(update={"expires_in": 1e-9})

    with pytest.raises(LoginRefused, match="in time"):
        await_tokens(saying(), PROVIDER, code, wait=lambda _: None)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"issuer": "https://other.example.org"}, InvalidRequest),
        ({"token_endpoint": "http://id.example.org/token"}, ConfigurationError),
        ({"token_endpoint": 7}, IssuerUnavailable),
    ],
    ids=["another issuer", "unencrypted", "nonsense"],
)
def test_a_description_that_must_not_be_trusted_is_refused(
    changes: Mapping[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        discover(saying((200, {**DISCOVERY, **changes})), ISSUER, plain_http=False)


def test_a_provider_without_device_authorization_is_told_apart() -> None:
    found = FOUND.model_copy(update={"device_authorization_endpoint": None})

    with pytest.raises(InvalidRequest, match="device authorization"):
        begin(saying(), found, client_id="cj-admin", scope="openid", resource=None)
