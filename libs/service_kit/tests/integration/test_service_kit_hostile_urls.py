"""No hostile address is ever connected to: asserted by a socket that listens, and by every connection that is tried."""

import socket
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from event_contracts import InvalidCallback
from service_kit.callbacks import relay
from service_kit.callbacks.policy import CallbackPolicy, callback_client
from service_kit.callbacks.relay import CallbackSender
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.messaging.outbox import OutgoingMessage
from service_kit.tests.receiver import receiving

SIGNER = WebhookSigner("whsec_" + "A" * 43 + "=")
ALLOWED = ("*.example.org", "ras.example.net:8443")

ADDRESSES = (
    "127.0.0.1", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001",
    "127.0.0.1.", "127.127.127.127", "0.0.0.0", "0", "10.0.0.1", "10.1", "172.16.0.1", "192.168.0.1", "169.254.169.254",
    "2852039166", "0xa9fea9fe", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "[::]", "[::1]",
    "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]", "[::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fe80::1%25lo]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]",
    "localhost", "LOCALHOST", "localhost.", "localhost.localdomain", "ip6-localhost",
    "metadata.google.internal", "kubernetes.default.svc", "①②⑦.⓪.⓪.①", "127。0。0。1", "ⓛocalhost", "１２７.０.０.１",
)  # fmt: skip
NAMES = (
    "127.0.0.1.nip.io", "example.org", "evil-example.org", "example.org.evil.example", "a.example.org.evil.example",
    "a.example.org%00.evil.example", "a.example.org%2eevil.example", "a.example.org@127.0.0.1",
    "a.example.org:80@127.0.0.1",
    "127.0.0.1#a.example.org", "127.0.0.1?a.example.org", "127.0.0.1/a.example.org", "127.0.0.1\\\\@a.example.org",
    "a..example.org", ".example.org", "-.example.org\\t", "xn--.example.org\u2488", f"{'a' * 64}.example.org",
    f"{'a.' * 130}example.org", "a.example.org:0", "a.example.org:99999", "a.example.org:http", "ras.example.net",
    "ras.example.net:443", "ras.example.net.:8443", "[::1", "::1", "", " ", "\u202e", "a.example.org\r\nhost: evil",
)  # fmt: skip
SCHEMES = (
    "ftp://a.example.org/",
    "file:///etc/passwd",
    "gopher://a.example.org/",
    "//a.example.org/",
    "a.example.org",
    "",
)


@dataclass
class Network:
    """Every lookup and every connection that is tried, none of which leaves this process."""

    answers: dict[str, list[list[str]]] = field(default_factory=dict)
    connections: list[tuple[str, int]] = field(default_factory=list)

    def lookup(self, host: Any, port: int, *_rest: object, **_more: object) -> list[tuple[Any, ...]]:
        name = host.decode() if isinstance(host, bytes) else str(host)
        found = self.answers.get(name, [["127.0.0.1"]])
        addresses = found.pop(0) if len(found) > 1 else found[0]
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """Every name leads to this machine, unless a test says otherwise."""
    one = Network()
    monkeypatch.setattr(socket, "getaddrinfo", one.lookup)
    connect = httpx2.AsyncHTTPTransport.handle_async_request

    async def watched(self: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        one.connections.append((request.url.host, request.url.port or 80))
        return await connect(self, request)

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", watched)
    return one


async def post(url: str, *allowed: str) -> str | None:
    """Send a callback there; the reason why it was not delivered."""
    async with callback_client(CallbackPolicy(allowed_hosts=allowed or ALLOWED)) as client:
        sender = CallbackSender(client, signer=SIGNER)
        message = OutgoingMessage(
            event_id=uuid4(), transport="http", destination=url, key="k", headers=(), value=b"{}"
        )
        refusal = await sender.post(message)
    return None if refusal is None else refusal.reason


HOSTILE = tuple(
    dict.fromkeys(
        [
            *(f"http://{host}:PORT/ok" for host in ADDRESSES),
            *(f"http://{name}/ok" for name in NAMES),
            *SCHEMES,
        ]
    )
)


def test_the_table_has_at_least_79_hostile_urls() -> None:
    assert len(HOSTILE) >= 79


@pytest.mark.parametrize("url", HOSTILE, ids=lambda url: ascii(url)[:60])
async def test_a_hostile_url_is_refused_at_the_door_and_never_connected_to(
    network: Network, url: str
) -> None:
    async with receiving() as receiver:
        target = url.replace("PORT", str(receiver.port))

        with pytest.raises(InvalidCallback):
            CallbackPolicy(allowed_hosts=ALLOWED).check(target)
        try:
            reason = await post(target)
        except (httpx2.InvalidURL, UnicodeError, ValueError, httpx2.UnsupportedProtocol) as error:
            reason = repr(error)

        assert reason is not None
        assert network.connections == []
        assert receiver.received == []


async def test_a_name_that_is_allowed_but_leads_inside_is_not_connected_to(network: Network) -> None:
    async with receiving() as receiver:
        for addresses in (
            ["127.0.0.1"],
            ["10.0.0.1"],
            ["::1"],
            ["193.10.1.1", "127.0.0.1"],
            ["169.254.169.254"],
        ):
            network.answers["a.example.org"] = [addresses]

            reason = await post(f"http://a.example.org:{receiver.port}/ok")

            assert reason is not None
            assert "non-public address" in reason
        assert network.connections == []
        assert receiver.received == []


async def test_a_name_that_changes_its_address_after_the_check_changes_nothing(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that is connected to is the very one that was checked: no second lookup takes place."""
    monkeypatch.setattr(relay, "TIMEOUT_SECONDS", 0.3)
    async with receiving() as receiver:
        network.answers["a.example.org"] = [["203.0.113.7"], ["127.0.0.1"]]
        await post(f"http://a.example.org:{receiver.port}/ok")
        network.answers["b.example.org"] = [["193.10.1.1"], ["127.0.0.1"]]

        async with callback_client(CallbackPolicy(allowed_hosts=ALLOWED)) as client:
            with pytest.raises(httpx2.TransportError):
                await client.post(f"http://b.example.org:{receiver.port}/ok", timeout=0.3)

        assert {host for host, _ in network.connections} <= {"203.0.113.7", "193.10.1.1"}
        assert receiver.received == []


@pytest.mark.parametrize(
    "location", ["/ok", "http://127.0.0.1:PORT/ok", "http://a.example.org:PORT/ok", "//127.0.0.1:PORT/ok"]
)
async def test_a_redirect_leads_nowhere(network: Network, location: str) -> None:
    async with receiving() as receiver:
        receiver.location = location.replace("PORT", str(receiver.port))

        reason = await post(f"http://127.0.0.1:{receiver.port}/redirect", "127.0.0.1")

        assert reason == "the receiver answered 307"
        assert [one.path for one in receiver.received] == ["/redirect"]
        assert len(network.connections) == 1
