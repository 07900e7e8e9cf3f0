"""A bearer token as it was presented: read strictly before any of it is believed.

Libraries disagree about what a token with two ``sub`` claims, or an ``exp`` of ``1e999``, says: here it says nothing.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, NoReturn

import jwt
from event_contracts import MAX_TOKEN_CHARACTERS
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictFloat, StrictInt

ACCESS_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""What a header's ``typ`` may be: RFC 7519 and RFC 9068."""

CLAIMED_ACCESS_TYPES: Final = frozenset({"access", "bearer"})
"""What a claim ``typ`` or ``token_type`` may be: a refresh token or an id token opens nothing."""

Moment = StrictInt | StrictFloat


class Claims(BaseModel):
    """The claims that are read, with the types that they must have."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True, allow_inf_nan=False)

    sub: Annotated[str, Field(min_length=1, max_length=255)]
    iss: str
    exp: Moment
    iat: Moment | None = None
    nbf: Moment | None = None
    roles: Annotated[list[str], Field(max_length=100)]
    org: Annotated[str, Field(max_length=255)] | None = None
    typ: str | None = None
    token_type: str | None = None


@dataclass(frozen=True, slots=True)
class Presented:
    """The parts of a token whose signature has not been looked at."""

    key_id: JsonValue
    issuer: JsonValue
    payload: Mapping[str, JsonValue]


def read_presented(token: str) -> Presented:
    """Take a token apart; raises ``jwt.DecodeError`` for what is too long, ambiguous or not an access token."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise jwt.DecodeError("the token is too long")
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise jwt.DecodeError("a signed token has three parts")
    header, payload = _object(parts[0]), _object(parts[1])
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in ACCESS_TYPES:
        raise jwt.DecodeError("the token is of another type")
    if "crit" in header or "b64" in header:
        raise jwt.DecodeError("the token demands extensions that are not understood")
    return Presented(key_id=header.get("kid"), issuer=payload.get("iss"), payload=payload)


def check_kind(claims: Claims) -> None:
    """Raise ``jwt.InvalidTokenError`` for a token that says it is for something else than access."""
    for kind in (claims.typ, claims.token_type):
        if kind is not None and kind.lower() not in CLAIMED_ACCESS_TYPES:
            raise jwt.InvalidTokenError("the token is not an access token")


def _object(part: str) -> dict[str, JsonValue]:
    try:
        text = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        found = json.loads(
            text, object_pairs_hook=_unambiguous, parse_constant=_not_json, parse_float=_finite
        )
    except (binascii.Error, ValueError, RecursionError) as error:
        raise jwt.DecodeError("a part of the token cannot be read") from error
    if not isinstance(found, dict):
        raise jwt.DecodeError("a part of the token is not an object")
    return found


def _unambiguous(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("the number is out of range")
    return number
