"""Signed HTTP callbacks as the Standard Webhooks specification (1.0) defines them: sign and check."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

from event_contracts import NotAuthenticated

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
TOLERANCE_SECONDS = 300
SECRET_PREFIX = "whsec_"
MAX_SIGNATURES = 16
"""Of one message: a sender that changes its secret sends two."""


class WebhookRejected(NotAuthenticated):
    """The request does not prove that it comes from the holder of the secret; nothing was read from it."""


class WebhookSigner:
    """Signs and verifies with one secret or, while it is being replaced, with two (see ``_secret_bytes``).

    Each message then carries a signature by either secret, and a signature by either is accepted: senders and receivers
    may take over the new secret in any order, and nothing is refused meanwhile.
    """

    def __init__(self, secret: str, *, previous: str | None = None) -> None:
        secrets = (secret,) if previous is None else (secret, previous)
        self._keys = tuple(_secret_bytes(one) for one in secrets)

    def headers(self, *, message_id: str, body: bytes, at: datetime | None = None) -> dict[str, str]:
        """The three headers that go with ``body``."""
        timestamp = str(int((at or datetime.now(UTC)).timestamp()))
        return {
            ID_HEADER: message_id,
            TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: " ".join(self._signatures(message_id, timestamp, body)),
        }

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: datetime | None = None) -> str:
        """Return the message id; raise ``WebhookRejected`` for a missing, old or wrong signature."""
        lowered = {name.lower(): value for name, value in headers.items()}
        try:
            message_id, timestamp = lowered[ID_HEADER], lowered[TIMESTAMP_HEADER]
            offered = lowered[SIGNATURE_HEADER].split()[:MAX_SIGNATURES]
            age = (now or datetime.now(UTC)).timestamp() - int(timestamp)
        except (KeyError, ValueError, OverflowError) as error:
            raise WebhookRejected(f"send {ID_HEADER}, {TIMESTAMP_HEADER} and {SIGNATURE_HEADER}") from error
        if abs(age) > TOLERANCE_SECONDS:
            raise WebhookRejected(
                f"the timestamp is more than {TOLERANCE_SECONDS} s off: synchronise the clocks"
            )
        # As bytes: compare_digest refuses text beyond ASCII, and what is offered may be anything.
        expected = [one.encode() for one in self._signatures(message_id, timestamp, body)]
        given = [one.encode() for one in offered]
        if not any(hmac.compare_digest(one, other) for one in expected for other in given):
            raise WebhookRejected(
                "the signature does not match the body and secret: check the body's bytes as received, with the"
                " sender's present secret"
            )
        return message_id

    def _signatures(self, message_id: str, timestamp: str, body: bytes) -> list[str]:
        signed = f"{message_id}.{timestamp}.".encode() + body
        digests = (hmac.digest(key, signed, hashlib.sha256) for key in self._keys)
        return [f"v1,{base64.b64encode(digest).decode()}" for digest in digests]


def _secret_bytes(secret: str) -> bytes:
    """``whsec_`` and the base64 of 24 to 64 bytes; raises ``ValueError`` without showing it."""
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"a callback secret starts with {SECRET_PREFIX!r}")
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("what follows whsec_ must be base64") from error
    if not 24 <= len(key) <= 64:
        raise ValueError(f"a callback secret has 24 to 64 bytes, this one {len(key)}")
    return key
