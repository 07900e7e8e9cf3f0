"""cj-admin login, logout and whoami."""

from time import sleep, time
from typing import Annotated

import typer
from command_line.errors import WrongOption
from command_line.printable import printable
from event_contracts import JsonObject, NotAuthenticated, NotAuthorized, ScaleList, SuiteError
from suite_access import (
    TOKEN_VARIABLE,
    CallerToken,
    IdentityService,
    Issuer,
    IssuerUnavailable,
    LoginRefused,
    Session,
    SessionCache,
    Tokens,
)
from suite_access.tokens import check_address, issuer_client

from admin_cli.cli.app import DEFAULT_URL, Json, Url, app, console
from admin_cli.client import ROLE, base_address, connected
from admin_cli.exit_codes import ExitCode, error_console, reporting_errors
from admin_cli.login.claims import claims_of
from admin_cli.login.credentials import credentials
from admin_cli.login.device import await_tokens, begin, discover, provider_of
from admin_cli.showing import facts, moment, print_json

IdentityUrl = Annotated[
    str | None,
    typer.Option(envvar="IDENTITY_BASE_URL", help="The identity service, up to and including /v1/auth."),
]
Email = Annotated[str | None, typer.Option(help="Else CJ_ADMIN_EMAIL, else it is asked for.")]
PlainHttp = Annotated[
    bool,
    typer.Option("--plain-http", help="Send passwords unencrypted: only inside a network that is trusted."),
]


@app.command()
def login(
    email: Email = None,
    identity_url: IdentityUrl = None,
    oidc: Annotated[
        str | None,
        typer.Option(metavar="ISSUER", help="Log in with a browser at this OpenID Connect provider instead."),
    ] = None,
    client_id: Annotated[str | None, typer.Option(help="What the provider knows cj-admin as.")] = None,
    scope: Annotated[str, typer.Option(help="What is asked of the provider.")] = "openid offline_access",
    resource: Annotated[
        str | None,
        typer.Option(help="What the provider knows the service as (RFC 8707), where it asks for that."),
    ] = None,
    plain_http: PlainHttp = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Log in to the service at --url, and stay logged in.

    With e-mail and password at the platform's identity service (the password is asked for, or read from
    CJ_ADMIN_PASSWORD), or with --oidc in any browser. The tokens are kept in a file that only you can read, and shown
    to no other address.
    """
    with reporting_errors():
        address = base_address(url)
        asked_at = time()
        if oidc is not None:
            issuer, tokens, asked_at = with_browser(
                oidc, client_id=client_id, scope=scope, resource=resource, plain_http=plain_http
            )
        else:
            issuer, tokens = with_password(identity_url, email, None, plain_http=plain_http)
        session = Session.opened(address, issuer, tokens, asked_at=asked_at)
        SessionCache.of_this_user().keep(session)
        _greet(session)


def with_password(
    identity_url: str | None, email: str | None, password: str | None, *, plain_http: bool
) -> tuple[Issuer, Tokens]:
    """Tokens from the identity service; raises ``WrongOption``, ``LoginRefused`` or ``IssuerUnavailable``."""
    if identity_url is None:
        raise WrongOption("specify the identity service: --identity-url or IDENTITY_BASE_URL; or use --oidc")
    issuer = IdentityService(url=check_address(identity_url, plain_http=plain_http))
    who, secret = credentials(email, password)
    with issuer_client() as client:
        return issuer, issuer.login(client, email=who, password=secret)


def with_browser(
    issuer: str, *, client_id: str | None, scope: str, resource: str | None, plain_http: bool
) -> tuple[Issuer, Tokens, float]:
    """Tokens from an OpenID Connect provider, once the person has confirmed, and when they were asked for."""
    if client_id is None:
        raise WrongOption("say with --client-id what the provider knows cj-admin as")
    with issuer_client() as client:
        found = discover(client, issuer, plain_http=plain_http)
        code = begin(client, found, client_id=client_id, scope=scope, resource=resource)
        address = printable(code.verification_uri_complete or code.verification_uri)
        error_console.print(f"Open {address}", markup=False, soft_wrap=True)
        error_console.print(
            f"in any browser, and confirm the code {printable(code.user_code)}"
            f" (within {code.expires_in / 60:.0f} minutes).",
            markup=False,
        )
        provider = provider_of(found, client_id=client_id, resource=resource)
        polled: list[float] = []

        def wait(seconds: float) -> None:
            sleep(seconds)
            polled.append(time())

        tokens = await_tokens(client, provider, code, wait=wait)
        return provider, tokens, polled[-1]


def _greet(session: Session) -> None:
    claims = claims_of(session.access_token)
    who = "" if claims is None or claims.subject is None else f" as {printable(claims.subject)}"
    console.print(f"logged in to {session.service}{who}", markup=False, soft_wrap=True)
    if session.refresh_token is None:
        error_console.print(
            "there is no refresh token: the login ends when the token expires", style="yellow"
        )
    try:
        source = CallerToken(session.service, role=ROLE).found()
    except SuiteError:
        source = None
    if source is not None and source.token != session.access_token:
        error_console.print(f"but {source.source} comes first for this address", style="yellow", markup=False)


@app.command()
def logout(
    everywhere: Annotated[
        bool, typer.Option("--all", help="Every login that is kept, not only --url's.")
    ] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Forget the login to the service at --url; where the provider allows it, its refresh token is withdrawn."""
    with reporting_errors():
        cache = SessionCache.of_this_user()
        services = [one.service for one in cache.all()] if everywhere else [base_address(url)]
        forgotten = [session for service in services if (session := cache.forget(service)) is not None]
        for session in forgotten:
            _withdraw(session)
            console.print(f"logged out of {session.service}", markup=False, soft_wrap=True)
        if not forgotten:
            console.print("there was no login")


def _withdraw(session: Session) -> None:
    if session.refresh_token is None:
        return
    try:
        with issuer_client() as client:
            session.issuer.withdraw(client, session.refresh_token)
    except (IssuerUnavailable, LoginRefused) as error:
        error_console.print(
            f"the refresh token is deleted here, but not withdrawn: {error.message}", markup=False
        )


@app.command()
def whoami(url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show who the service at --url takes you for, and until when.

    The exit code is 5 where the service does not accept the token as an administrator's.
    """
    with reporting_errors(), connected(url) as service:
        found = service.caller.found()
        if found is None:
            raise NotAuthenticated(
                f"not logged in to {service.base_url}: cj-admin login, or set {TOKEN_VARIABLE}"
            )
        claims = claims_of(found.token)
        refusal: str | None = None
        try:
            service.ask(ScaleList, "GET", "/admin/v1/grade-scales")
        except (NotAuthenticated, NotAuthorized) as error:
            refusal = error.message
        if as_json:
            said: JsonObject = {"service": service.base_url, "source": found.source.value}
            told = {} if claims is None else claims.as_json()
            print_json(console, {**said, **told, "accepted": refusal is None})
        else:
            rows: list[tuple[str, object]] = [
                ("service", service.base_url),
                ("token from", found.source.value),
            ]
            if claims is not None:
                rows += [
                    ("subject", claims.subject),
                    ("organisation", claims.organisation),
                    ("roles", ", ".join(claims.roles)),
                    ("issuer", claims.issuer),
                    ("expires", None if claims.expires_at is None else f"{moment(claims.expires_at)} UTC"),
                ]
            console.print(facts(rows))
        if refusal is not None:
            error_console.print(refusal, style="red", markup=False)
            raise typer.Exit(ExitCode.NO_PERMISSION)
