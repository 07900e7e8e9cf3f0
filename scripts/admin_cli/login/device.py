"""OpenID Connect for a program without a browser: discovery, and the device authorization grant (RFC 8628)."""

from collections.abc import Callable
from time import monotonic
from typing import Annotated, Final, TypeVar

import httpx2
from event_contracts import InvalidRequest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from suite_access import IssuerUnavailable, LoginRefused, OpenIdProvider, Tokens
from suite_access.tokens import Address, ask, check_address, error_code_of, tokens_of

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:device_code"
DISCOVERY_PATH: Final = "/.well-known/openid-configuration"
SLOW_DOWN_SECONDS: Final = 5.0
"""What RFC 8628, section 3.5, adds to the interval each time the provider asks for it."""
MAX_INTERVAL_SECONDS: Final = 60.0

_Code = Annotated[str, Field(min_length=1, max_length=2048)]
ModelT = TypeVar("ModelT", bound=BaseModel)


class Discovery(BaseModel):
    """What a provider says of itself that is needed here (OpenID Connect Discovery 1.0)."""

    model_config = ConfigDict(frozen=True)

    issuer: Address
    token_endpoint: Address
    device_authorization_endpoint: Address | None = None
    revocation_endpoint: Address | None = None


class DeviceCode(BaseModel):
    """The codes of one login (RFC 8628, section 3.2)."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    device_code: Annotated[_Code, Field(repr=False)]
    user_code: _Code
    verification_uri: Address
    verification_uri_complete: Address | None = None
    expires_in: Annotated[float, Field(gt=0, le=86_400)]
    interval: Annotated[float, Field(gt=0, le=MAX_INTERVAL_SECONDS)] = 5.0


def discover(client: httpx2.Client, issuer: str, *, plain_http: bool) -> Discovery:
    """The provider's own description; raises ``IssuerUnavailable``, ``InvalidRequest`` if not to be trusted."""
    address = check_address(issuer, plain_http=plain_http)
    url = f"{address}{DISCOVERY_PATH}"
    status, body = ask(client, "GET", url)
    if status != 200:
        raise IssuerUnavailable(f"{url} answers {status}: is this the issuer of an OpenID Connect provider?")
    found = _parsed(Discovery, url, body)
    if found.issuer.rstrip("/") != address:
        raise InvalidRequest(
            f"{url} describes the issuer {found.issuer}: say that one with --oidc if it is meant"
        )
    for endpoint in (found.token_endpoint, found.device_authorization_endpoint, found.revocation_endpoint):
        if endpoint is not None:
            check_address(endpoint, plain_http=plain_http)
    return found


def begin(
    client: httpx2.Client, found: Discovery, *, client_id: str, scope: str, resource: str | None
) -> DeviceCode:
    """Ask for a login; raises ``LoginRefused`` for a client that may not, ``IssuerUnavailable``."""
    url = found.device_authorization_endpoint
    if url is None:
        raise InvalidRequest(
            f"{found.issuer} offers no device authorization: its administrator has to allow it"
        )
    form = {"client_id": client_id, "scope": scope, **({"resource": resource} if resource else {})}
    status, body = ask(client, "POST", url, form=form)
    if status != 200:
        code = error_code_of(body) or str(status)
        raise LoginRefused(f"{url} refuses this ({code}): are --client-id, --scope and --resource right?")
    return _parsed(DeviceCode, url, body)


def provider_of(found: Discovery, *, client_id: str, resource: str | None) -> OpenIdProvider:
    """What a session needs of the provider."""
    return OpenIdProvider(
        issuer=found.issuer,
        token_endpoint=found.token_endpoint,
        revocation_endpoint=found.revocation_endpoint,
        client_id=client_id,
        resource=resource,
    )


def await_tokens(
    client: httpx2.Client, provider: OpenIdProvider, code: DeviceCode, *, wait: Callable[[float], None]
) -> Tokens:
    """Ask until the person has decided; raises ``LoginRefused`` where they decline, or let the code expire."""
    until, interval = monotonic() + code.expires_in, code.interval
    form = {"grant_type": GRANT_TYPE, "device_code": code.device_code, "client_id": provider.client_id}
    if provider.resource is not None:
        form["resource"] = provider.resource
    while monotonic() < until:
        wait(interval)
        try:
            status, body = ask(client, "POST", provider.token_endpoint, form=form)
            return tokens_of(provider.token_endpoint, status, body, refused="the provider refuses this login")
        except LoginRefused as refused:
            if refused.reason == "slow_down":
                interval = min(interval + SLOW_DOWN_SECONDS, MAX_INTERVAL_SECONDS)
            elif refused.reason != "authorization_pending":
                raise LoginRefused(_why(refused.reason), reason=refused.reason) from refused
        except IssuerUnavailable:
            interval = min(2 * interval, MAX_INTERVAL_SECONDS)
    raise LoginRefused(_why("expired_token"), reason="expired_token")


def _why(reason: str) -> str:
    known = {
        "access_denied": "the login was declined in the browser",
        "expired_token": "the login was not confirmed in time: log in again",
    }
    return known.get(reason, f"the provider refuses this login ({reason or 'without a reason'})")


def _parsed(model: type[ModelT], url: str, body: bytes) -> ModelT:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise IssuerUnavailable(
            f"{url} answered without a {model.__name__.lower()}: check the URL"
        ) from error
