"""Logging in, staying logged in, and to whom a token is shown: with the platform's own protocol, over real HTTP."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from admin_cli.tests.identity import EMAIL, PASSWORD, Identity, running_identity
from admin_cli.tests.listening import listening
from admin_cli.tests.running import Program
from cj_assessment.tests.serving import Assessment, over_http
from service_kit.tests.tokens import SHARED_SECRET, signed_with_secret
from suite_access import IdentityService, Session, SessionCache

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(make_database: Callable[[str], str]) -> AsyncIterator[Assessment]:
    async with over_http(make_database("admin_login"), development=True) as running:
        yield running


@pytest.fixture
def identity() -> Iterator[Identity]:
    with running_identity() as running:
        yield running


@pytest.fixture
def program(service: Assessment, identity: Identity, tmp_path: Path) -> Program:
    """cj-admin of a person who has said where the services are, and who they are."""
    return Program(
        tmp_path,
        {
            "CJ_ADMIN_BASE_URL": f"{str(service.http.base_url).rstrip('/')}/admin/v1",
            "IDENTITY_BASE_URL": identity.url,
            "CJ_ADMIN_EMAIL": EMAIL,
            "CJ_ADMIN_PASSWORD": PASSWORD,
        },
    )


def logged_in(program: Program, identity: Identity, *, seconds_left: float, refresh: bool = True) -> Session:
    """A login in the cache whose token was issued an hour before it expires."""
    status, said = identity.answer("/v1/auth/login", {"email": EMAIL, "password": PASSWORD})
    assert status == 200
    expires_at = time.time() + seconds_left
    session = Session(
        service=program.variables["CJ_ADMIN_BASE_URL"].removesuffix("/admin/v1"),
        issuer=IdentityService(url=identity.url),
        access_token=str(said["access_token"]),
        refresh_token=str(said["refresh_token"]) if refresh else None,
        issued_at=expires_at - 3_600,
        expires_at=expires_at,
    )
    SessionCache(program.cache).keep(session)
    return session


def kept(program: Program) -> Session | None:
    return SessionCache(program.cache).find(program.variables["CJ_ADMIN_BASE_URL"])


async def test_a_login_lasts_from_one_command_to_the_next_until_the_logout(program: Program) -> None:
    before = await program("whoami")
    login = await program("login")
    whoami = await program("whoami", "--json")
    scales = await program("scales", "--json")
    logout = await program("logout")
    after = await program("scales")

    assert (before.code, login.code, whoami.code, scales.code, logout.code, after.code) == (5, 0, 0, 0, 0, 5)
    assert "cj-admin login" in before.err
    assert EMAIL in login.out
    assert (whoami.json["subject"], whoami.json["accepted"]) == (EMAIL, True)
    assert whoami.json["source"] == "cj-admin login"
    assert whoami.json["roles"] == ["teacher", "admin"]
    assert kept(program) is None


async def test_tokens_are_kept_in_a_file_for_their_owner_alone(program: Program) -> None:
    await program("login")

    assert program.cache.stat().st_mode & 0o777 == 0o600
    assert program.cache.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("mode", "content"), [(0o644, None), (0o600, "{"), (0o600, '{"access_token": "of another program"}')]
)
async def test_a_cache_that_cannot_be_trusted_is_refused(
    program: Program, mode: int, content: str | None
) -> None:
    await program("login")
    if content is not None:
        program.cache.write_text(content)
    program.cache.chmod(mode)

    ended = await program("scales")

    assert ended.code == 2
    assert str(program.cache) in ended.err
    assert ended.err.count("\n") == 1


async def test_a_wrong_password_is_refused_and_shown_to_nobody(program: Program) -> None:
    wrong = program.with_variables(CJ_ADMIN_PASSWORD="hunter22")

    ended = await wrong("login")

    assert ended.code == 5
    assert "hunter22" not in ended.out + ended.err
    assert not program.cache.exists()


async def test_without_a_terminal_nobody_is_asked(program: Program) -> None:
    unnamed = Program(program.folder, {**program.variables, "CJ_ADMIN_PASSWORD": ""})

    ended = await unnamed("login")

    assert ended.code == 2
    assert "CJ_ADMIN_PASSWORD" in ended.err


async def test_a_password_that_is_asked_for_is_not_echoed(program: Program) -> None:
    asked = Program(program.folder, {**program.variables, "CJ_ADMIN_PASSWORD": ""})

    code, seen = await asyncio.to_thread(asked.converse, "login", answers={"Password:": PASSWORD})

    assert code == 0, seen
    assert "logged in" in seen
    assert PASSWORD not in seen


async def test_a_token_is_renewed_before_it_expires_and_the_old_refresh_token_stays(
    program: Program, identity: Identity
) -> None:
    session = logged_in(program, identity, seconds_left=30)

    ended = await program("scales")

    renewed = kept(program)
    assert (ended.code, identity.refreshes) == (0, 1)
    assert renewed is not None
    assert renewed.access_token != session.access_token
    assert renewed.refresh_token == session.refresh_token
    assert renewed.expires_at > time.time() + 3_000


async def test_a_token_with_time_left_is_not_renewed(program: Program, identity: Identity) -> None:
    logged_in(program, identity, seconds_left=600)

    ended = await program("scales")

    assert (ended.code, identity.refreshes) == (0, 0)


async def test_of_processes_that_share_a_login_one_renews_it_and_all_succeed(
    program: Program, identity: Identity
) -> None:
    logged_in(program, identity, seconds_left=-5)
    identity.delay = 1.0

    ended = await asyncio.gather(*(program("whoami", "--json") for _ in range(4)))

    assert [one.code for one in ended] == [0] * 4, ended
    assert identity.refreshes == 1
    assert kept(program) is not None


async def test_a_process_that_is_killed_while_it_renews_keeps_nobody_from_it(
    program: Program, identity: Identity
) -> None:
    logged_in(program, identity, seconds_left=-5)
    identity.delay = 30.0
    killed = program.start("scales")
    await asyncio.to_thread(identity.entered.wait, 60)
    killed.send_signal(signal.SIGKILL)
    await asyncio.to_thread(killed.communicate)
    identity.delay = 0.0

    ended = await program("scales")

    assert ended.code == 0, ended.err
    assert identity.refreshes == 2


async def test_a_login_that_has_ended_says_so_once_and_is_forgotten(
    program: Program, identity: Identity
) -> None:
    logged_in(program, identity, seconds_left=-5)
    identity.valid.clear()

    first = await program("scales")
    second = await program("scales")

    assert (first.code, second.code) == (5, 5)
    assert "log in again" in first.err
    assert identity.refreshes == 1
    assert kept(program) is None


@pytest.mark.parametrize(("seconds_left", "code"), [(30, 0), (-5, 1)])
async def test_while_the_identity_service_is_away_a_token_is_used_until_it_expires(
    program: Program, identity: Identity, seconds_left: float, code: int
) -> None:
    session = logged_in(program, identity, seconds_left=seconds_left)
    gone = session.model_copy(update={"issuer": IdentityService(url="http://127.0.0.1:9/v1/auth")})
    SessionCache(program.cache).keep(gone)

    ended = await program("scales")

    assert ended.code == code, ended.err
    assert kept(program) is not None


async def test_a_token_goes_to_no_other_address(program: Program, identity: Identity) -> None:
    logged_in(program, identity, seconds_left=600)

    with listening() as stranger:
        ended = await program("scales", "--url", stranger.url)
        heard = stranger.heard

    assert ended.code == 3
    assert heard == [("/admin/v1/grade-scales", None)]


async def test_a_redirection_is_not_followed(program: Program, identity: Identity) -> None:
    with listening() as stranger, listening(location=stranger.url) as service:
        elsewhere = program.with_variables(CJ_ADMIN_BASE_URL=service.url)
        logged_in(elsewhere, identity, seconds_left=600)

        ended = await elsewhere("scales")

        assert (ended.code, stranger.heard) == (1, [])
        assert service.heard[0][1] is not None
    assert "redirection" in ended.err


async def test_cj_admin_token_comes_first(program: Program, identity: Identity) -> None:
    logged_in(program, identity, seconds_left=-5)
    given = program.with_variables(CJ_ADMIN_TOKEN=signed_with_secret(sub="given"))

    ended = await given("whoami", "--json")

    assert (ended.code, ended.json["subject"], ended.json["source"]) == (0, "given", "CJ_ADMIN_TOKEN")
    assert identity.refreshes == 0


async def test_a_token_that_permits_too_little_is_told_apart_from_none(program: Program) -> None:
    reader = program.with_variables(CJ_ADMIN_TOKEN=signed_with_secret(roles=["reader"]))
    forged = program.with_variables(CJ_ADMIN_TOKEN="not.a.token")

    listed, refused, unknown = await reader("batches", "list"), await reader("audit"), await forged("audit")

    assert (listed.code, refused.code, unknown.code) == (0, 5, 5)
    assert "administer" in refused.err
    assert "CJ_ADMIN_TOKEN" in unknown.err


async def test_a_token_is_issued_on_standard_output_alone(program: Program, identity: Identity) -> None:
    once = await program("token", "issue", "--no-cache")
    assert kept(program) is None
    cached = await program("token", "issue", "--json", "--email", EMAIL, "--password", PASSWORD)
    used = await program.with_variables(CJ_ADMIN_TOKEN=once.out.strip())("scales")

    session = kept(program)
    assert (once.code, once.err, used.code, identity.logins) == (0, "", 0, 2)
    assert session is not None
    assert session.access_token == cached.json["access_token"]


async def test_passwords_go_over_https_alone(program: Program) -> None:
    ended = await program("login", "--identity-url", "http://identity.example.org/v1/auth")

    assert ended.code == 2
    assert "https" in ended.err


async def test_a_token_for_development_needs_a_key_and_a_service_that_is_in_development(
    program: Program, make_database: Callable[[str], str]
) -> None:
    with_key = program.with_variables(CJ_ADMIN_DEV_SECRET=SHARED_SECRET)
    async with over_http(make_database("admin_production")) as production:
        elsewhere = with_key.with_variables(CJ_ADMIN_BASE_URL=str(production.http.base_url))
        refused = await elsewhere("token", "dev")
    without_key = await program("token", "dev")
    issued = await with_key("token", "dev", "--role", "reader", "--subject", "ada")
    whoami = await program.with_variables(CJ_ADMIN_TOKEN=issued.out.strip())("whoami", "--json")

    assert (refused.code, without_key.code, issued.code, whoami.code) == (4, 2, 0, 5)
    assert "in development" in refused.err
    assert "CJ_ADMIN_DEV_SECRET" in without_key.err
    assert (whoami.json["subject"], whoami.json["roles"]) == ("ada", ["reader"])
