"""Bearer tokens: who calls, and whether the route may be called by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import jwt
import structlog
from event_contracts import NotAuthenticated, NotAuthorized
from pydantic import ValidationError

from service_kit.http.bearer_token import Claims, Presented, check_kind, read_presented
from service_kit.http.keys import KeySource
from service_kit.http.permissions import Caller, Permission, Role
from service_kit.http.verified_tokens import CLOCK_LEEWAY_SECONDS, VerifiedToken, VerifiedTokens

log = structlog.get_logger()

REQUIRED_CLAIMS: Final = ("sub", "exp", "iss", "aud")
SUITE_ISSUER: Final = "comparative-judgement-suite"
"""Who signs the tokens that the suite's own services show each other."""

SHOW_A_TOKEN: Final = "this needs a valid access token: Authorization: Bearer <token>"
"""The same for every reason: what is wrong with a token is for the log, not for the caller."""


class Gate(Protocol):
    """Decides whether a caller may use a route."""

    async def admit(self, authorization: Sequence[str], *, any_of: frozenset[Permission]) -> Caller:
        """The caller, from the values of the Authorization header.

        Raises ``NotAuthenticated``, ``NotAuthorized``, or ``Unavailable`` where tokens cannot be checked now.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class TrustedIssuer:
    """Whose tokens are believed, by which keys; ``roles`` are those that they may give, None for any."""

    keys: KeySource
    issuer: str
    audience: str
    roles: frozenset[str] | None = None


class TokenGate:
    """Admits callers with a valid token of a trusted issuer whose roles permit the route."""

    def __init__(self, issuers: Sequence[TrustedIssuer]) -> None:
        self._issuers: Mapping[str, TrustedIssuer] = {trusted.issuer: trusted for trusted in issuers}
        self._verified = VerifiedTokens()

    async def admit(self, authorization: Sequence[str], *, any_of: frozenset[Permission]) -> Caller:
        found = await self.identify(authorization)
        if not found.permissions & any_of:
            needed = ", ".join(sorted(any_of))
            raise NotAuthorized("the token does not permit this", details={"needs_one_of": needed})
        return found

    async def identify(self, authorization: Sequence[str]) -> Caller:
        """Who shows this token, whatever it permits."""
        try:
            token = _token(authorization)
            return await self._verified.caller_of(token) or await self._verify(token)
        except jwt.PyJWTError as error:
            reason = type(error).__name__
        except ValidationError as error:
            # Names of claims alone: their values are personal data.
            reason = "claims " + ", ".join(
                sorted({str(one["loc"][0]) for one in error.errors() if one["loc"]})
            )
        log.info("token.refused", reason=reason)
        raise NotAuthenticated(SHOW_A_TOKEN)

    async def _verify(self, token: str) -> Caller:
        presented = read_presented(token)
        claims = Claims.model_validate(dict(presented.payload))
        check_kind(claims)
        trusted = self._trusted(presented)
        key = await trusted.keys.key_for(presented.key_id)
        jwt.decode(
            token,
            key,
            algorithms=trusted.keys.algorithms,
            issuer=trusted.issuer,
            audience=trusted.audience,
            leeway=CLOCK_LEEWAY_SECONDS,
            options={"require": list(REQUIRED_CLAIMS), "enforce_minimum_key_length": True},
        )
        caller = Caller(
            subject=claims.sub,
            organisation=claims.org,
            issuer=trusted.issuer,
            roles=tuple(role for role in claims.roles if trusted.roles is None or role in trusted.roles),
        )
        self._verified.keep(
            token,
            VerifiedToken(
                caller=caller, keys=trusted.keys, key_id=presented.key_id, key=key, expires_at=claims.exp
            ),
        )
        return caller

    def _trusted(self, presented: Presented) -> TrustedIssuer:
        issuer = presented.issuer
        if not isinstance(issuer, str) or issuer not in self._issuers:
            raise jwt.InvalidIssuerError("untrusted issuer")
        return self._issuers[issuer]


def suite_issuer(keys: KeySource, *, audience: str) -> TrustedIssuer:
    """The suite's own services: their tokens give the roles of services and no other."""
    roles = frozenset({Role.SERVICE.value, Role.ASSESSMENT_SERVICE.value})
    return TrustedIssuer(keys=keys, issuer=SUITE_ISSUER, audience=audience, roles=roles)


def _token(authorization: Sequence[str]) -> str:
    if len(authorization) != 1:
        raise jwt.DecodeError("one Authorization header is expected")
    scheme, _, token = authorization[0].partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise jwt.DecodeError("the header is not a bearer token")
    return token
