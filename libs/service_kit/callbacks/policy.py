"""Where callbacks may go, and a transport that connects only to an address which was checked."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import httpx2
from event_contracts import ConfigurationError, InvalidCallback
from event_contracts.addresses import DEFAULT_PORTS

from service_kit.http.certificates import trusted_certificates

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.ip_network("64:ff9b::/96")
MAX_HOST_BYTES = 253
"""RFC 1035, section 2.3.4, without the root's dot and length bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One allowed host: an exact name or address, or every name below a domain; any port unless one is given."""

    host: str
    port: int | None
    is_wildcard: bool

    def covers(self, host: str, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        return host.endswith(f".{self.host}") if self.is_wildcard else host == self.host


@dataclass(frozen=True, kw_only=True)
class CallbackPolicy:
    """Where callbacks may go: exact hosts, or ``*.domain`` for hosts with public addresses only.

    An exact entry allows whatever its name leads to, private addresses too: who names a host trusts it.
    """

    allowed_hosts: tuple[str, ...]

    def __post_init__(self) -> None:
        _entries(self.allowed_hosts)

    def check(self, url: str) -> None:
        """Raise ``InvalidCallback`` unless ``url`` may be called; looks at the name only, not at DNS."""
        self._check(_parse(url))

    async def addresses(self, url: httpx2.URL) -> Sequence[Address]:
        """Resolve the host to the addresses that may be connected to; ``InvalidCallback`` if one is not public."""
        is_exact = self._check(url)
        found = await _resolve(_host(url), _port(url))
        refused = [address for address in found if not is_public(address)]
        if refused and not is_exact:
            raise InvalidCallback(
                f"host {_host(url)!r} has the non-public address {refused[0]}: name it exactly to allow it"
            )
        return found

    def _check(self, url: httpx2.URL) -> bool:
        """True when an exact entry allows the host, False when a wildcard does."""
        host, port = _host(url), _port(url)
        covering = [entry for entry in _entries(self.allowed_hosts) if entry.covers(host, port)]
        if not covering:
            raise InvalidCallback(
                f"host {host!r} (port {port}) is not in callback_allowed_hosts: have an operator add it",
                details={"allowed_hosts": list(self.allowed_hosts)},
            )
        return any(not entry.is_wildcard for entry in covering)


class PinnedTransport(httpx2.AsyncBaseTransport):
    """Connects to the very address that the policy has checked: a name that resolves differently later changes nothing.

    The Host header and the name in the TLS handshake stay those of the URL. Connections are not kept: kept
    ones are pooled by their address, and two hosts may share one.
    """

    def __init__(self, policy: CallbackPolicy, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self._policy = policy
        self._plain = httpx2.AsyncHTTPTransport(
            verify=ssl_context or trusted_certificates(),
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request to the first checked address that accepts the connection."""
        *others, last = await self._policy.addresses(request.url)
        for address in others:
            try:
                return await self._plain.handle_async_request(_pinned(request, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._plain.handle_async_request(_pinned(request, last))

    async def aclose(self) -> None:
        await self._plain.aclose()


def callback_client(
    policy: CallbackPolicy, *, ssl_context: ssl.SSLContext | None = None
) -> httpx2.AsyncClient:
    """A client for callbacks: pinned; proxies and netrc files of the environment are ignored."""
    transport = PinnedTransport(policy, ssl_context=ssl_context)
    return httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)


def _pinned(request: httpx2.Request, address: Address) -> httpx2.Request:
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": _host(request.url)},
    )


def _parse(url: str) -> httpx2.URL:
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise InvalidCallback(f"callback_url is not a URL: {error}") from error
    is_plain = parsed.scheme in DEFAULT_PORTS and parsed.host and not parsed.userinfo
    if not is_plain or not 0 < _port(parsed) < 65536:
        raise InvalidCallback("callback_url must be http(s)://host[:port]/… without user or password")
    _require_host_name(_host(parsed))
    return parsed


def _require_host_name(host: str) -> None:
    """Name resolution encodes a host by IDNA: what it refuses there can never be called."""
    try:
        is_valid = len(host.encode("idna")) <= MAX_HOST_BYTES
    except UnicodeError:
        is_valid = False
    if not is_valid:
        raise InvalidCallback("callback_url has a host that is not a valid name: check its labels")


def _host(url: httpx2.URL) -> str:
    """The host in one spelling: lower case, IDNA, addresses in their shortest form."""
    return _canonical(url.raw_host.decode("ascii"))


def _canonical(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()


def _port(url: httpx2.URL) -> int:
    return DEFAULT_PORTS.get(url.scheme, 0) if url.port is None else url.port


@cache
def _entries(allowed_hosts: tuple[str, ...]) -> tuple[_Entry, ...]:
    return tuple(_entry(text, place) for place, text in enumerate(allowed_hosts, start=1))


def _entry(text: str, place: int) -> _Entry:
    is_wildcard = text.startswith("*.")
    host = text.removeprefix("*.")
    try:
        # Read as a URL is read, so that both come to the same spelling.
        parsed = httpx2.URL(
            f"http://[{host}]" if host.count(":") > 1 and "[" not in host else f"http://{host}"
        )
    except httpx2.InvalidURL as error:
        raise _no_host(place) from error
    extra = parsed.path not in ("", "/") or parsed.userinfo or parsed.query or parsed.fragment
    if not parsed.host or extra or "*" in parsed.host:
        raise _no_host(place)
    explicit = host.rpartition(":")[2] if host.count(":") == 1 or "]:" in host else ""
    return _Entry(host=_host(parsed), port=int(explicit) if explicit else None, is_wildcard=is_wildcard)


def _no_host(place: int) -> ConfigurationError:
    # Without the entry itself: one that was meant as a URL may hold a password.
    return ConfigurationError(
        f"callback_allowed_hosts: entry {place} is not a host: write host, host:port or *.domain"
    )


async def _resolve(host: str, port: int) -> list[Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise httpx2.ConnectError(f"host {host!r} cannot be resolved: {error}") from error
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))


def is_public(address: Address) -> bool:
    """Global and unicast, and so is the IPv4 address that an IPv6 one may lead to."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or _behind_nat64(address)
        if inner is not None and not is_public(inner):
            return False
    return address.is_global and not address.is_multicast


def _behind_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
