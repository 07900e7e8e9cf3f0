"""Signatures as the Standard Webhooks specification has them, and where callbacks may go."""

import base64
import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from event_contracts import ConfigurationError, InvalidCallback
from hypothesis import given
from hypothesis import strategies as st
from service_kit.callbacks.policy import CallbackPolicy, is_public
from service_kit.callbacks.webhooks import TOLERANCE_SECONDS, WebhookRejected, WebhookSigner

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NEW_SECRET = "whsec_" + base64.b64encode(b"n" * 32).decode()
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def test_the_specifications_example_is_reproduced() -> None:
    # Secret, id, time, body and signature as the specification's reference libraries test them.
    signer = WebhookSigner("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    headers = signer.headers(
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        body=b'{"test": 2432232314}',
        at=datetime.fromtimestamp(1614265330, UTC),
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(body=st.binary(max_size=200), message_id=st.uuids())
def test_what_was_signed_is_accepted_and_its_id_returned(body: bytes, message_id: object) -> None:
    signer = WebhookSigner(SECRET)

    headers = signer.headers(message_id=str(message_id), body=body, at=NOW)

    assert signer.verify(headers, body, now=NOW) == str(message_id)


@pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS, TOLERANCE_SECONDS])
def test_five_minutes_of_difference_are_tolerated(seconds: int) -> None:
    signer = WebhookSigner(SECRET)
    headers = signer.headers(message_id="m", body=b"", at=NOW + timedelta(seconds=seconds))

    assert signer.verify(headers, b"", now=NOW) == "m"


@pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1])
def test_more_than_five_minutes_of_difference_are_refused(seconds: int) -> None:
    signer = WebhookSigner(SECRET)
    headers = signer.headers(message_id="m", body=b"", at=NOW + timedelta(seconds=seconds))

    with pytest.raises(WebhookRejected, match="300 s"):
        signer.verify(headers, b"", now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "other"},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,åäö"},
        {"webhook-signature": ""},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "9" * 400},
    ],
)
def test_any_change_of_the_headers_is_noticed(change: dict[str, str]) -> None:
    signer = WebhookSigner(SECRET)
    headers = signer.headers(message_id="m", body=b"body", at=NOW)

    with pytest.raises(WebhookRejected):
        signer.verify({**headers, **change}, b"body", now=NOW)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(missing: str) -> None:
    signer = WebhookSigner(SECRET)
    headers = signer.headers(message_id="m", body=b"", at=NOW)
    del headers[missing]

    with pytest.raises(WebhookRejected, match=missing):
        signer.verify(headers, b"", now=NOW)


def test_another_body_or_secret_is_noticed() -> None:
    signer = WebhookSigner(SECRET)
    headers = signer.headers(message_id="m", body=b"body", at=NOW)
    other = WebhookSigner("whsec_" + base64.b64encode(bytes(32)).decode())

    with pytest.raises(WebhookRejected):
        signer.verify(headers, b"Body", now=NOW)
    with pytest.raises(WebhookRejected):
        other.verify(headers, b"body", now=NOW)


def test_one_fitting_signature_of_several_is_enough() -> None:
    signer = WebhookSigner(SECRET)
    headers = signer.headers(message_id="m", body=b"", at=NOW)
    several = {**headers, "Webhook-Signature": f"v1a,xyz v1,AAAA {headers.pop('webhook-signature')}"}

    assert signer.verify(several | {"webhook-signature": several["Webhook-Signature"]}, b"", now=NOW) == "m"


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_"),
        ("whsec_not base64", "base64"),
        ("whsec_" + base64.b64encode(bytes(23)).decode(), "24 to 64"),
        ("whsec_" + base64.b64encode(bytes(65)).decode(), "24 to 64"),
    ],
)
def test_an_unfit_secret_is_refused_without_being_shown(secret: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        WebhookSigner(secret)

    assert secret.removeprefix("whsec_") not in str(refused.value)


def test_while_a_secret_is_replaced_either_side_may_have_it_first() -> None:
    old, both, new = (
        WebhookSigner(SECRET),
        WebhookSigner(NEW_SECRET, previous=SECRET),
        WebhookSigner(NEW_SECRET),
    )

    for sender, receiver in ((old, both), (both, old), (both, both), (both, new), (new, both)):
        headers = sender.headers(message_id="m", body=b"body", at=NOW)
        assert receiver.verify(headers, b"body", now=NOW) == "m"


def test_a_secret_that_was_replaced_counts_no_more() -> None:
    headers = WebhookSigner(SECRET).headers(message_id="m", body=b"body", at=NOW)

    with pytest.raises(WebhookRejected):
        WebhookSigner(NEW_SECRET).verify(headers, b"body", now=NOW)


def test_each_secret_signs_once() -> None:
    headers = WebhookSigner(NEW_SECRET, previous=SECRET).headers(message_id="m", body=b"", at=NOW)

    first, second = headers["webhook-signature"].split(" ")
    assert first == WebhookSigner(NEW_SECRET).headers(message_id="m", body=b"", at=NOW)["webhook-signature"]
    assert second == WebhookSigner(SECRET).headers(message_id="m", body=b"", at=NOW)["webhook-signature"]


def test_a_header_of_a_thousand_signatures_is_not_searched_through() -> None:
    headers = WebhookSigner(SECRET).headers(message_id="m", body=b"", at=NOW)
    many = "v1,AAAA " * 1_000 + headers["webhook-signature"]

    with pytest.raises(WebhookRejected):
        WebhookSigner(SECRET).verify({**headers, "webhook-signature": many}, b"", now=NOW)


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("ras.internal", "https://ras.internal/results"),
        ("ras.internal", "https://RAS.Internal:8443/results?x=1"),
        ("ras.internal:8443", "https://ras.internal:8443/"),
        ("ras.internal:443", "https://ras.internal/"),
        ("*.example.org", "https://a.example.org/"),
        ("*.example.org", "https://a.b.example.org/"),
        ("*.example.org:8443", "https://a.example.org:8443/"),
        ("räksmörgås.se", "https://räksmörgås.se/"),
        ("räksmörgås.se", "https://xn--rksmrgs-5wao1o.se/"),
        ("xn--rksmrgs-5wao1o.se", "https://RÄKSMÖRGÅS.se/"),
        ("127.0.0.1", "http://127.0.0.1:8101/callbacks"),
        ("[::1]", "http://[::1]:8101/"),
        ("::1", "http://[0:0:0:0:0:0:0:1]/"),
        ("[::1]:8101", "http://[::1]:8101/"),
    ],
)
def test_an_allowed_host_is_let_through(allowed: str, url: str) -> None:
    CallbackPolicy(allowed_hosts=("other.example", allowed)).check(url)


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("ras.internal", "https://evil.example/"),
        ("ras.internal", "https://ras.internal.evil.example/"),
        ("ras.internal", "https://evil-ras.internal/"),
        ("ras.internal:8443", "https://ras.internal/"),
        ("ras.internal:8443", "https://ras.internal:8444/"),
        ("*.example.org", "https://example.org/"),
        ("*.example.org", "https://evilexample.org/"),
        ("*.example.org", "https://example.org.evil.example/"),
        ("127.0.0.1", "http://127.1/"),
        ("127.0.0.1", "http://2130706433/"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]/"),
        ("ras.internal", "https://evil.example#ras.internal"),
        ("ras.internal", "https://evil.example/ras.internal"),
    ],
)
def test_another_host_is_refused_with_the_choices(allowed: str, url: str) -> None:
    with pytest.raises(InvalidCallback) as refused:
        CallbackPolicy(allowed_hosts=(allowed,)).check(url)

    assert refused.value.details["allowed_hosts"] == [allowed]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://ras.internal/",
        "file:///etc/passwd",
        "//ras.internal/",
        "ras.internal",
        "",
        "https://",
        "https://user@ras.internal/",
        "https://user:secret@ras.internal/",
        "https://:secret@ras.internal/",
        "https://ras.internal:99999/",
        "https://ras.internal:0/",
        "https://ras.internal:x/",
        "https://ras.internal\r\nhost: evil/",
        "https://[::1",
        "https://evil.example\\@ras.internal/",
    ],
)
def test_what_is_not_a_plain_http_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidCallback):
        CallbackPolicy(allowed_hosts=("ras.internal", "::1")).check(url)


@pytest.mark.parametrize(
    "host", [f"{'a' * 64}.example.org", "a..example.org", ".example.org", f"{'a.' * 200}example.org"]
)
def test_a_host_that_idna_refuses_is_refused_before_anything_is_sent(host: str) -> None:
    with pytest.raises(InvalidCallback):
        CallbackPolicy(allowed_hosts=("*.example.org",)).check(f"https://{host}/results")


@pytest.mark.parametrize(
    "entry", ["https://ras.internal", "ras.internal/path", "user@ras.internal", "*", "*.", "a.*.org", ""]
)
def test_an_entry_that_is_not_a_host_is_refused_at_the_start(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="callback_allowed_hosts"):
        CallbackPolicy(allowed_hosts=(entry,))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_private_loopback_link_local_and_what_leads_there_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["193.10.1.1", "8.8.8.8", "2001:6b0::1", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
