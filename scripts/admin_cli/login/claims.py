"""What a token says of its owner. Nothing of it is checked here: the service does that."""

from dataclasses import dataclass
from datetime import UTC, datetime

import jwt
from event_contracts import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsShown:
    """Who a token is for; None where it does not say."""

    subject: str | None
    organisation: str | None
    roles: tuple[str, ...]
    issuer: str | None
    expires_at: datetime | None

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "subject": self.subject,
            "organisation": self.organisation,
            "roles": [*self.roles],
            "issuer": self.issuer,
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
        }


def claims_of(token: str) -> ClaimsShown | None:
    """The claims of a JWT; None for a token of another form."""
    try:
        claims = jwt.decode(
            token, options={"verify_signature": False, "verify_exp": False, "verify_aud": False}
        )
    except jwt.PyJWTError:
        return None
    roles = claims.get("roles")
    return ClaimsShown(
        subject=_text(claims.get("sub")),
        organisation=_text(claims.get("org")),
        roles=tuple(map(str, roles)) if isinstance(roles, list) else (),
        issuer=_text(claims.get("iss")),
        expires_at=_moment(claims.get("exp")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else None
    except (OverflowError, OSError, ValueError):
        return None
