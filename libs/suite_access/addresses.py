"""What an address is, for a token: the scheme, host and port that it may be shown to."""

import httpx2
from event_contracts import InvalidRequest
from event_contracts.addresses import DEFAULT_PORTS


def origin(url: str) -> str:
    """Scheme, host and port of an address: what a login belongs to. Raises ``InvalidRequest``."""
    try:
        scheme, host, port = place(httpx2.URL(url))
    except httpx2.InvalidURL as error:
        raise InvalidRequest(f"{url[:200]!r} is not an address") from error
    if port is None or not host:
        raise InvalidRequest(f"{url[:200]!r} is not an address: write http(s)://host:port")
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def place(url: httpx2.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port, the usual one where the address names none."""
    return url.scheme, url.host, url.port or DEFAULT_PORTS.get(url.scheme)
