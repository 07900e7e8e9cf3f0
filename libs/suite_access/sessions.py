"""Logins that are kept between commands, one for each service's address, in a file for their owner alone."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Annotated, Final, Literal

import typer
from event_contracts import ConfigurationError, ExternalServiceError
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from suite_access.addresses import origin
from suite_access.issuers import EXPIRED, Issuer
from suite_access.private_files import write_private
from suite_access.tokens import IssuerUnavailable, LoginRefused, Token, Tokens, issuer_client

CACHE_VARIABLE: Final = "CJ_ADMIN_TOKEN_PATH"
SKEW_SECONDS: Final = 60.0
"""A token is renewed this long before it expires: clocks differ, and a request takes its time."""
SKEW_SHARE: Final = 0.2
"""Maximum share of the lifetime, so that a token of one minute is not renewed for every request."""
LOCK_SECONDS: Final = 45.0
"""Longer than one refresh takes with its time limits."""
MAX_SESSIONS: Final = 20
MAX_CACHE_BYTES: Final = 1_000_000
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Session(BaseModel):
    """One login: the service that its tokens are for, and who issues them. Times are of this machine's clock."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    service: Annotated[str, Field(max_length=2048)]
    issuer: Issuer
    access_token: Annotated[Token, Field(repr=False)]
    refresh_token: Annotated[Token | None, Field(repr=False)] = None
    issued_at: float
    expires_at: float

    @classmethod
    def opened(cls, service: str, issuer: Issuer, tokens: Tokens, *, asked_at: float) -> "Session":
        """The session of a login; ``asked_at`` is when it was asked for, before the issuer counted the lifetime."""
        return cls(
            service=origin(service),
            issuer=issuer,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            issued_at=asked_at,
            expires_at=asked_at + tokens.expires_in,
        )

    def renewed(self, tokens: Tokens, *, asked_at: float) -> "Session":
        """The session after a refresh: without a new refresh token, the old one stays."""
        later = Session.opened(self.service, self.issuer, tokens, asked_at=asked_at)
        return later.model_copy(update={"refresh_token": tokens.refresh_token or self.refresh_token})

    def is_fresh(self, now: float) -> bool:
        """True while the token can be used without renewing it. A clock that was set back makes no token fresh."""
        skew = min(SKEW_SECONDS, SKEW_SHARE * (self.expires_at - self.issued_at))
        return self.issued_at - SKEW_SECONDS <= now < self.expires_at - skew


class _Cache(BaseModel):
    """The file. Nothing else is taken for it: what another program keeps there would be overwritten."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    version: Literal[1]
    sessions: Annotated[dict[str, Session], Field(max_length=MAX_SESSIONS)]


class SessionCache:
    """The logins in one file. Of several processes that find a token too old, one renews it and the others wait."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_this_user(cls) -> "SessionCache":
        """The cache in the user's folder for program settings, or where ``CJ_ADMIN_TOKEN_PATH`` says."""
        named = os.environ.get(CACHE_VARIABLE, "").strip()
        return cls(Path(named) if named else Path(typer.get_app_dir("cj-admin")) / "sessions.json")

    def find(self, service: str) -> Session | None:
        """The login for a service's address; raises ``ConfigurationError`` for a cache that cannot be trusted."""
        return self._read().sessions.get(origin(service))

    def all(self) -> tuple[Session, ...]:
        """Every login that is kept."""
        return tuple(self._read().sessions.values())

    def keep(self, session: Session) -> None:
        """Keep a login; one for the same address is replaced, and of too many the oldest is forgotten."""
        with self._locked():
            self._put(session)

    def forget(self, service: str) -> Session | None:
        """Forget the login for an address; returns what was forgotten."""
        with self._locked():
            return self._drop(origin(service))

    def token(self, service: str) -> str | None:
        """An access token for a service's address, renewed where it is about to expire; None without a login.

        Raises ``LoginRefused`` for a login that has ended, ``IssuerUnavailable`` where it cannot be renewed now.
        """
        session = self.find(service)
        if session is None or session.is_fresh(time()):
            return None if session is None else session.access_token
        with self._locked():
            session = self.find(service)
            if session is not None and not session.is_fresh(time()):
                session = self._renew(session)
            return None if session is None else session.access_token

    def _renew(self, session: Session) -> Session:
        asked_at = time()
        is_usable = session.issued_at <= asked_at < session.expires_at
        if session.refresh_token is None:
            if is_usable:
                return session
            self._drop(session.service)
            raise LoginRefused(EXPIRED)
        try:
            with issuer_client() as client:
                tokens = session.issuer.refreshed(client, session.refresh_token)
        except IssuerUnavailable:
            if is_usable:
                return session
            raise
        except LoginRefused:
            self._drop(session.service)
            raise
        later = session.renewed(tokens, asked_at=asked_at)
        self._put(later)
        return later

    def _put(self, session: Session) -> None:
        others = [one for one in self._read().sessions.values() if one.service != session.service]
        newest = sorted(others, key=lambda one: one.issued_at)[-(MAX_SESSIONS - 1) :]
        self._write([*newest, session])

    def _drop(self, service: str) -> Session | None:
        sessions = self._read().sessions
        dropped = sessions.pop(service, None)
        if dropped is not None:
            self._write(list(sessions.values()))
        return dropped

    def _read(self) -> _Cache:
        try:
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read(MAX_CACHE_BYTES + 1)
        except FileNotFoundError:
            return _Cache(version=1, sessions={})
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be read: {error.strerror}") from error
        if os.name == "posix" and mode & _OTHERS:
            raise ConfigurationError(
                f"{self.path} holds tokens and is open to others: chmod 600 it, and log in again if they may have"
                " read it"
            )
        try:
            return _Cache.model_validate_json(content[:MAX_CACHE_BYTES])
        except ValidationError as error:
            raise ConfigurationError(
                f"{self.path} is not a file of logins: delete it and log in again, or name another in {CACHE_VARIABLE}"
            ) from error

    def _write(self, sessions: list[Session]) -> None:
        cache = _Cache(version=1, sessions={one.service: one for one in sessions})
        try:
            write_private(self.path, cache.model_dump_json(indent=1))
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be written: {error.strerror}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among all processes; the lock of a process that dies is released by the system."""
        file = self.path.with_name(f"{self.path.name}.lock")
        lock = FileLock(file, timeout=LOCK_SECONDS, mode=0o600)
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise ExternalServiceError(
                f"another program has held {file} for {LOCK_SECONDS:.0f} s: end it, and try again"
            ) from error
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be locked: {error.strerror}") from error
        try:
            yield
        finally:
            lock.release()
