"""cj-admin token: a token on standard output, for scripts and other programs."""

from time import time
from typing import Annotated

import typer
from event_contracts import JsonObject
from suite_access import Session, SessionCache

from admin_cli.cli.app import DEFAULT_URL, Json, Url, console, group
from admin_cli.cli.login import Email, IdentityUrl, PlainHttp, with_password
from admin_cli.client import base_address, connected
from admin_cli.exit_codes import reporting_errors
from admin_cli.login.claims import claims_of
from admin_cli.login.development import DevelopmentRole, development_token
from admin_cli.showing import print_json

commands = group(
    "token", "A token on standard output, for scripts: export CJ_ADMIN_TOKEN=$(cj-admin token issue)"
)


@commands.command()
def issue(
    email: Email = None,
    password: Annotated[
        str | None,
        typer.Option(
            help="Others on this machine can see it here: rather set CJ_ADMIN_PASSWORD, or let it be asked for."
        ),
    ] = None,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Stay logged in as well, or leave nothing behind.")
    ] = True,
    identity_url: IdentityUrl = None,
    plain_http: PlainHttp = False,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Print an access token of the identity service."""
    with reporting_errors():
        address = base_address(url)
        asked_at = time()
        issuer, tokens = with_password(identity_url, email, password, plain_http=plain_http)
        if cache:
            SessionCache.of_this_user().keep(Session.opened(address, issuer, tokens, asked_at=asked_at))
        _print_token(tokens.access_token, as_json=as_json)


@commands.command()
def dev(
    role: Annotated[DevelopmentRole, typer.Option(help="What the token permits.")] = DevelopmentRole.ADMIN,
    subject: Annotated[str, typer.Option(help="Whom the audit names.")] = "developer",
    issuer: Annotated[
        str, typer.Option(help="The service's jwt_issuer; an embedded stack has its own.")
    ] = "huleedu-identity-service",
    audience: Annotated[
        str, typer.Option(help="The service's jwt_audience; an embedded stack has its own.")
    ] = "huleedu-platform",
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Print a token of ten minutes for a service that says it is in development.

    It is signed with the key of the embedded stack at --url, or with the secret in CJ_ADMIN_DEV_SECRET; there is no
    other, and no default.
    """
    with reporting_errors(), connected(url) as service:
        token = development_token(service, role=role, subject=subject, issuer=issuer, audience=audience)
        _print_token(token, as_json=as_json)


def _print_token(token: str, *, as_json: bool) -> None:
    if not as_json:
        print(token)
        return
    claims = claims_of(token)
    said: JsonObject = {"access_token": token}
    print_json(console, {**said, **({} if claims is None else claims.as_json())})
