"""Signed HTTP callbacks as the Standard Webhooks specification (1.0) defines them: sign, check, and where they may go."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from event_contracts import InvalidCallback, NotAuthenticated

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
TOLERANCE_SECONDS = 300
SECRET_PREFIX = "whsec_"


class WebhookRejected(NotAuthenticated):
    """The request does not prove that it comes from the holder of the secret; nothing was read from it."""


class WebhookSigner:
    """Signs and verifies with one secret (``whsec_`` + base64 of 24 to 64 bytes)."""

    def __init__(self, secret: str) -> None:
        self._key = _secret_bytes(secret)

    def headers(self, *, message_id: str, body: bytes, at: datetime | None = None) -> dict[str, str]:
        """The three headers that go with ``body``."""
        timestamp = int((at or datetime.now(UTC)).timestamp())
        return {
            ID_HEADER: message_id,
            TIMESTAMP_HEADER: str(timestamp),
            SIGNATURE_HEADER: f"v1,{self._signature(message_id, timestamp, body)}",
        }

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: datetime | None = None) -> str:
        """Return the message id; raise ``WebhookRejected`` for a missing, old or wrong signature."""
        lowered = {name.lower(): value for name, value in headers.items()}
        try:
            message_id, timestamp = lowered[ID_HEADER], int(lowered[TIMESTAMP_HEADER])
            offered = lowered[SIGNATURE_HEADER].split()
        except (KeyError, ValueError) as error:
            raise WebhookRejected(f"send {ID_HEADER}, {TIMESTAMP_HEADER} and {SIGNATURE_HEADER}") from error
        if abs((now or datetime.now(UTC)).timestamp() - timestamp) > TOLERANCE_SECONDS:
            raise WebhookRejected(f"the timestamp is more than {TOLERANCE_SECONDS} s off: set the clocks")
        expected = f"v1,{self._signature(message_id, timestamp, body)}"
        if not any(hmac.compare_digest(expected, signature) for signature in offered):
            raise WebhookRejected("the signature does not fit body and secret")
        return message_id

    def _signature(self, message_id: str, timestamp: int, body: bytes) -> str:
        signed = f"{message_id}.{timestamp}.".encode() + body
        return base64.b64encode(hmac.digest(self._key, signed, hashlib.sha256)).decode()


def _secret_bytes(secret: str) -> bytes:
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"a callback secret starts with {SECRET_PREFIX!r}")
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("what follows whsec_ must be base64") from error
    if not 24 <= len(key) <= 64:
        raise ValueError(f"a callback secret has 24 to 64 bytes, this one {len(key)}")
    return key


@dataclass(frozen=True, kw_only=True)
class CallbackPolicy:
    """Where callbacks may go: exact hosts, or ``*.domain`` for hosts with public addresses only."""

    allowed_hosts: tuple[str, ...]

    def check(self, url: str) -> None:
        """Raise ``InvalidCallback`` unless ``url`` may be called; looks at the name only, not at DNS."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise InvalidCallback("callback_url must be http(s)://host/… without user or password")
        if not (self._is_exact(parts.hostname) or self._is_below_wildcard(parts.hostname)):
            raise InvalidCallback(
                f"host {parts.hostname!r} is not in callback_allowed_hosts",
                details={"allowed_hosts": list(self.allowed_hosts)},
            )

    def check_addresses(self, url: str) -> None:
        """Resolve the host and raise when a wildcard would lead to a private address; blocking."""
        self.check(url)
        host = urlsplit(url).hostname or ""
        if self._is_exact(host):
            return
        refused = [address for address in _addresses(host) if not ipaddress.ip_address(address).is_global]
        if refused:
            raise InvalidCallback(
                f"host {host!r} has the non-public address {refused[0]}: name it exactly to allow it"
            )

    def _is_exact(self, host: str) -> bool:
        return host in self.allowed_hosts

    def _is_below_wildcard(self, host: str) -> bool:
        return any(entry.startswith("*.") and host.endswith(entry[1:]) for entry in self.allowed_hosts)


def _addresses(host: str) -> Iterable[str]:
    return {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
