"""Where a callback may go: the hosts that are allowed, their addresses, and their certificates."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from event_contracts import InvalidCallback
from service_kit.callbacks import relay as callbacks
from service_kit.callbacks.policy import CallbackPolicy
from service_kit.tests.callback_sending import message_to, sending
from service_kit.tests.receiver import Receiver, receiving


class Resolver:
    """Answers for made-up names, as any name server may, another address each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.asked = 0
        self._answers = answers
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def _getaddrinfo(self, _host: str, port: int, *_rest: object, **_more: object) -> list[tuple[Any, ...]]:
        addresses = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]


async def test_a_wildcard_does_not_lead_to_a_private_address(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, ["127.0.0.1"])

    async with sending("*.example.org") as sender:
        refusal = await sender.post(message_to(receiver.url("/ok", host="a.example.org")))

    assert refusal is not None
    assert "non-public address 127.0.0.1" in refusal.reason
    assert receiver.received == []


async def test_one_private_address_among_public_ones_is_refused(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, ["193.10.1.1", "::ffff:127.0.0.1"])

    async with sending("*.example.org") as sender:
        refusal = await sender.post(message_to(receiver.url("/ok", host="a.example.org")))

    assert refusal is not None
    assert "non-public" in refusal.reason


async def test_an_exact_entry_may_lead_anywhere_and_keeps_its_name(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, ["127.0.0.1"])

    async with sending("ras.internal") as sender:
        refusal = await sender.post(message_to(receiver.url("/ok", host="ras.internal")))

    assert refusal is None
    assert receiver.received[0].headers["host"] == f"ras.internal:{receiver.port}"


async def test_a_name_is_not_resolved_again_after_its_check(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = Resolver(monkeypatch, ["203.0.113.1"], ["127.0.0.1"])
    monkeypatch.setattr("service_kit.callbacks.policy.is_public", lambda address: str(address) != "127.0.0.1")
    monkeypatch.setattr(callbacks, "TIMEOUT_SECONDS", 0.5)

    async with sending("*.example.org") as sender:
        refusal = await sender.post(message_to(receiver.url("/ok", host="a.example.org")))

    assert refusal is not None
    assert receiver.received == []
    assert resolver.asked == 1


async def test_the_next_address_is_tried_when_nobody_listens_at_the_first(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, ["127.0.0.2", "127.0.0.1"])

    async with sending("ras.internal") as sender:
        refusal = await sender.post(message_to(receiver.url("/ok", host="ras.internal")))

    assert refusal is None


async def test_a_host_that_is_not_allowed_any_more_is_refused(receiver: Receiver) -> None:
    async with sending("other.example") as sender:
        refusal = await sender.post(message_to(receiver.url("/ok")))

    assert refusal is not None
    assert "not in callback_allowed_hosts" in refusal.reason
    assert receiver.received == []


async def test_ipv6_literals_are_connected_to() -> None:
    try:
        async with receiving(host="::1") as receiver, sending("[::1]") as sender:
            refusal = await sender.post(message_to(receiver.url("/ok", host="[::1]")))
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")

    assert refusal is None
    assert receiver.received[0].headers["host"] == f"[::1]:{receiver.port}"


async def test_a_name_that_does_not_resolve_is_tried_again() -> None:
    async with sending("*.invalid") as sender:
        refusal = await sender.post(message_to("http://nobody.invalid/"))

    assert refusal is not None
    assert not refusal.final


async def test_the_policy_says_which_address_it_refused() -> None:
    policy = CallbackPolicy(allowed_hosts=("*.localhost",))

    with pytest.raises(InvalidCallback, match="not in callback_allowed_hosts"):
        await policy.addresses(httpx2.URL("http://localhost/"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of ``ras.internal``, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    chain, key = folder / "chain.pem", folder / "key.pem"
    private, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("ras.internal")]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, SHA256())
    )
    chain.write_bytes(signed.public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return chain, key


async def test_the_name_of_the_url_is_asked_for_and_checked(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, ["127.0.0.1"])
    serving, trusting = contexts(certificate)

    async with (
        receiving(certificate=serving) as receiver,
        sending("ras.internal", ssl_context=trusting) as sender,
    ):
        refusal = await sender.post(message_to(receiver.url("/ok", host="ras.internal", scheme="https")))

    assert refusal is None
    assert receiver.received[0].server_name == "ras.internal"


async def test_a_certificate_for_another_name_is_refused(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, ["127.0.0.1"])
    serving, trusting = contexts(certificate)

    async with (
        receiving(certificate=serving) as receiver,
        sending("els.internal", ssl_context=trusting) as sender,
    ):
        refusal = await sender.post(message_to(receiver.url("/ok", host="els.internal", scheme="https")))

    assert refusal is not None
    assert "certificate" in refusal.reason.lower()
    assert receiver.received == []


def contexts(certificate: tuple[Path, Path]) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    chain, key = certificate
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(chain, key)
    return serving, ssl.create_default_context(cafile=str(chain))
