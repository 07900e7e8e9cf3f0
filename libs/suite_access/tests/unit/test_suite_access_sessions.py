"""When a login is renewed, where it is kept, and to whom its token belongs."""

import time
from pathlib import Path

import httpx2
import pytest
from event_contracts import ConfigurationError, InvalidRequest
from suite_access import CallerToken, IdentityService, Session, SessionCache, Source, Tokens, origin
from suite_access.sessions import MAX_SESSIONS
from suite_access.tokens import check_address

ISSUER = IdentityService(url="https://identity.example.org/v1/auth")
SERVICE = "https://cj.example.org:9090"


def session(*, issued_at: float, lifetime: float, service: str = SERVICE) -> Session:
    tokens = Tokens(access_token="access", refresh_token="refresh", expires_in=lifetime)
    return Session.opened(service, ISSUER, tokens, asked_at=issued_at)


@pytest.mark.parametrize(
    ("lifetime", "age", "is_fresh"),
    [
        (3_600, 0, True),
        (3_600, 3_539, True),
        (3_600, 3_541, False),
        (3_600, 3_700, False),
        (60, 40, True),
        (60, 50, False),
        (3_600, -10, True),
        (3_600, -7_200, False),
    ],
    ids=["new", "used", "margin", "expired", "short", "its margin", "clocks differ", "clock set back"],
)
def test_a_token_is_renewed_a_minute_or_a_fifth_of_its_lifetime_before_it_expires(
    lifetime: float, age: float, is_fresh: bool
) -> None:
    assert session(issued_at=1_000_000, lifetime=lifetime).is_fresh(1_000_000 + age) is is_fresh


def test_a_refresh_without_a_refresh_token_keeps_the_old_one() -> None:
    before = session(issued_at=0, lifetime=60)

    kept = before.renewed(Tokens(access_token="second", expires_in=60), asked_at=100)
    rotated = before.renewed(
        Tokens(access_token="third", refresh_token="rotated", expires_in=60), asked_at=100
    )

    assert (kept.access_token, kept.refresh_token, kept.expires_at) == ("second", "refresh", 160)
    assert rotated.refresh_token == "rotated"


def test_a_login_belongs_to_scheme_host_and_port(tmp_path: Path) -> None:
    cache = SessionCache(tmp_path / "sessions.json")
    cache.keep(session(issued_at=time.time(), lifetime=600, service="https://cj.example.org/"))

    assert cache.token("https://CJ.example.org:443/admin/v1") == "access"
    others = ("http://cj.example.org", "https://cj.example.org:8443", "https://cj.example.org.evil.example")
    assert [cache.token(other) for other in others] == [None] * 3


def test_no_more_logins_are_kept_than_a_bound(tmp_path: Path) -> None:
    cache = SessionCache(tmp_path / "sessions.json")
    for number in range(MAX_SESSIONS + 5):
        cache.keep(session(issued_at=number, lifetime=60, service=f"https://cj-{number}.example.org"))

    kept = {one.service for one in cache.all()}

    assert len(kept) == MAX_SESSIONS
    assert origin("https://cj-4.example.org") not in kept


def test_no_token_is_shown_when_a_session_is_printed() -> None:
    assert "access_token" not in repr(session(issued_at=0, lifetime=60))
    assert "'refresh'" not in repr(session(issued_at=0, lifetime=60))


@pytest.mark.parametrize("url", ["nonsense", "ftp://host", "http://[::1", "https://"])
def test_an_invalid_address_has_no_login(url: str) -> None:
    with pytest.raises(InvalidRequest):
        origin(url)


@pytest.mark.parametrize(
    ("url", "is_accepted"),
    [
        ("https://identity.example.org/v1/auth/", True),
        ("http://127.0.0.1:7005/v1/auth", True),
        ("http://[::1]:7005", True),
        ("http://localhost:7005", True),
        ("http://identity:7005/v1/auth", False),
        ("http://127.0.0.1.evil.example", False),
        ("https://user:password@identity.example.org", False),
        ("identity.example.org", False),
        ("file:///etc/passwd", False),
    ],
)
def test_passwords_and_refresh_tokens_go_where_nobody_else_can_read_them(url: str, is_accepted: bool) -> None:
    if is_accepted:
        assert check_address(url) == url.rstrip("/")
    else:
        with pytest.raises(ConfigurationError):
            check_address(url)


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SessionCache:
    """The cache that programs of this user look into, with one login."""
    monkeypatch.setenv("CJ_ADMIN_TOKEN_PATH", str(tmp_path / "sessions.json"))
    monkeypatch.delenv("CJ_ADMIN_TOKEN", raising=False)
    cache = SessionCache.of_this_user()
    cache.keep(session(issued_at=time.time(), lifetime=600))
    return cache


@pytest.mark.usefixtures("cached")
async def test_every_program_of_the_suite_finds_the_login(tmp_path: Path) -> None:
    auth = CallerToken(SERVICE, role="runner", folder=tmp_path)
    shown: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        shown.append(request.headers.get("authorization"))
        return httpx2.Response(200)

    with httpx2.Client(transport=httpx2.MockTransport(answer), auth=auth) as client:
        client.get(f"{SERVICE}/batches")
        client.get("https://elsewhere.example.org/batches")
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer), auth=auth) as beside_a_loop:
        await beside_a_loop.get(f"{SERVICE}/batches")
        await beside_a_loop.get("https://cj.example.org:9091/batches")

    found = auth.found()
    assert found is not None
    assert (found.token, found.source) == ("access", Source.LOGIN)
    assert shown == ["Bearer access", None, "Bearer access", None]
