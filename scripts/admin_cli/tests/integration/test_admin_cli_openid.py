"""Logging in with a browser, at a certified OpenID Connect provider; the service believes what it issues."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from admin_cli.tests.openid import NEEDED, RESOURCE, confirm, decline, is_available, running_provider
from admin_cli.tests.running import Program
from cj_assessment.tests.serving import Assessment, over_http
from suite_access import LoginRefused, SessionCache

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not is_available() and not IN_CI, reason=NEEDED),
]


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with running_provider() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(make_database: Callable[[str], str], issuer: str) -> AsyncIterator[Assessment]:
    database, keys = make_database("admin_openid"), f"{issuer}/jwks"
    async with over_http(database, jwt_secret=None, jwt_jwks_url=keys, jwt_issuer=issuer) as running:
        yield running


async def logging_in(
    service: Assessment, folder: Path, issuer: str, *, browser: Callable[[str], None]
) -> tuple[Program, int, str]:
    """Begin a login, do in a browser what the command says, and wait for its end."""
    program = Program(folder, {"CJ_ADMIN_BASE_URL": str(service.http.base_url)})
    command = ("login", "--oidc", issuer, "--client-id", "cj-admin", "--resource", RESOURCE)
    process = program.start(*command)
    assert process.stderr is not None
    line = (await asyncio.to_thread(process.stderr.readline)).decode()
    address = re.match(r"Open (\S+)", line)
    assert address is not None, line
    await asyncio.to_thread(browser, address.group(1))
    out, err = await asyncio.to_thread(process.communicate)
    return program, process.returncode, (out + err).decode()


async def test_a_login_in_a_browser_lasts_is_renewed_and_is_withdrawn(
    service: Assessment, issuer: str, tmp_path: Path
) -> None:
    for person in ("ada", "bob"):
        (tmp_path / person).mkdir()
    (program, code, said), (refused, declined, reason) = await asyncio.gather(
        logging_in(service, tmp_path / "ada", issuer, browser=lambda url: confirm(url, person="ada")),
        logging_in(service, tmp_path / "bob", issuer, browser=decline),
    )
    cache = SessionCache(program.cache)
    whoami = await program("whoami", "--json")
    session = cache.find(str(service.http.base_url))
    assert session is not None
    cache.keep(session.model_copy(update={"issued_at": 0.0, "expires_at": time.time() - 5}))
    renewed = await program("scales")
    later = cache.find(str(service.http.base_url))
    logout = await program("logout")

    assert (code, declined) == (0, 5), (said, reason)
    assert "declined" in reason
    assert not refused.cache.exists()
    assert (whoami.json["subject"], whoami.json["accepted"]) == ("ada", True)
    assert (renewed.code, logout.code, logout.err) == (0, 0, "")
    assert later is not None
    assert later.access_token != session.access_token
    cache.keep(later.model_copy(update={"issued_at": 0.0, "expires_at": 1.0}))
    with pytest.raises(LoginRefused):
        cache.token(later.service)


async def test_a_client_that_is_not_known_is_told_so(
    service: Assessment, issuer: str, tmp_path: Path
) -> None:
    program = Program(tmp_path, {"CJ_ADMIN_BASE_URL": str(service.http.base_url)})

    unknown = await program("login", "--oidc", issuer, "--client-id", "stranger")
    unnamed = await program("login", "--oidc", issuer)
    elsewhere = await program("login", "--oidc", f"{issuer}/other", "--client-id", "cj-admin")

    assert (unknown.code, unnamed.code, elsewhere.code) == (5, 2, 1)
    assert "invalid_client" in unknown.err
    assert "--client-id" in unnamed.err
