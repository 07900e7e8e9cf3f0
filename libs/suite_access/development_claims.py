"""What a token for development says: the embedded stack's tools and ``cj-admin token dev`` sign the same claims."""

from time import time
from typing import Final
from uuid import uuid4

from pydantic import JsonValue

LIFETIME_SECONDS: Final = 600


def development_claims(*, role: str, subject: str, issuer: str, audience: str) -> dict[str, JsonValue]:
    """Claims that are valid for ten minutes from now."""
    now = int(time())
    return {
        "sub": subject,
        "iss": issuer,
        "aud": audience,
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
        "jti": str(uuid4()),
        "roles": [role],
    }
