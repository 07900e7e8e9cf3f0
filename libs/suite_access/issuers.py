"""Who issues tokens: the platform's identity service, or an OpenID Connect provider. Each refreshes its own."""

from typing import Annotated, Literal

import httpx2
from pydantic import BaseModel, ConfigDict, Field

from suite_access.tokens import Address, Tokens, ask, tokens_of

EXPIRED = "the login has ended and cannot be renewed: log in again with cj-admin login"


class IdentityService(BaseModel):
    """The platform's identity service; ``url`` ends in ``/v1/auth``."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["identity_service"] = "identity_service"
    url: Address

    def login(self, client: httpx2.Client, *, email: str, password: str) -> Tokens:
        """Tokens for a person; raises ``LoginRefused`` and ``IssuerUnavailable``."""
        url = f"{self.url}/login"
        status, body = ask(client, "POST", url, json={"email": email, "password": password})
        refused = f"the identity service does not accept this e-mail and password ({status}): try again"
        return tokens_of(url, status, body, refused=refused)

    def refreshed(self, client: httpx2.Client, refresh_token: str) -> Tokens:
        """New tokens; raises ``LoginRefused`` and ``IssuerUnavailable``."""
        url = f"{self.url}/refresh"
        status, body = ask(client, "POST", url, json={"refresh_token": refresh_token})
        return tokens_of(url, status, body, refused=EXPIRED)

    def withdraw(self, client: httpx2.Client, refresh_token: str) -> bool:  # noqa: ARG002 - it has no such route
        """False: the identity service has no route by which a refresh token is withdrawn."""
        return False


class OpenIdProvider(BaseModel):
    """An OpenID Connect provider, as its discovery document describes it."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["openid"] = "openid"
    issuer: Address
    token_endpoint: Address
    revocation_endpoint: Address | None = None
    client_id: Annotated[str, Field(min_length=1, max_length=255)]
    resource: Address | None = None

    def refreshed(self, client: httpx2.Client, refresh_token: str) -> Tokens:
        """New tokens (RFC 6749, section 6); raises ``LoginRefused`` and ``IssuerUnavailable``."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": self.client_id,
            **({"resource": self.resource} if self.resource else {}),
        }
        status, body = ask(client, "POST", self.token_endpoint, form=form)
        return tokens_of(self.token_endpoint, status, body, refused=EXPIRED)

    def withdraw(self, client: httpx2.Client, refresh_token: str) -> bool:
        """Withdraw a refresh token (RFC 7009); False where the provider cannot; raises ``IssuerUnavailable``."""
        if self.revocation_endpoint is None:
            return False
        form = {
            "token": refresh_token,
            "token_type_hint": "refresh_token",
            "client_id": self.client_id,
        }
        status, _ = ask(client, "POST", self.revocation_endpoint, form=form)
        return status == 200


Issuer = Annotated[IdentityService | OpenIdProvider, Field(discriminator="kind")]
