"""The token that goes with each request of a command-line program."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import httpx2

from suite_access.addresses import place
from suite_access.sessions import SessionCache
from suite_access.stack_access import DEFAULT_FOLDER, find_stack_access

TOKEN_VARIABLE: Final = "CJ_ADMIN_TOKEN"

TokenSource = Callable[[], str | None]


class Source(StrEnum):
    """Where a token comes from, in words."""

    ENVIRONMENT = TOKEN_VARIABLE
    EMBEDDED_STACK = "the embedded stack's key"
    LOGIN = "cj-admin login"


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token, and where it comes from."""

    token: str = field(repr=False)
    source: Source


class CallerToken(httpx2.Auth):
    """Shows the caller's token to the service at ``base_url``; a token never goes to another address.

    ``session`` is asked last: the login that ``cj-admin login`` keeps for this address, unless a program says
    otherwise. ``role`` is the one that an embedded stack's key is used for.
    """

    def __init__(
        self, base_url: str, *, role: str, folder: Path = DEFAULT_FOLDER, session: TokenSource | None = None
    ) -> None:
        self._base_url = httpx2.URL(base_url)
        self._role = role
        self._folder = folder
        self._session = session or (lambda: SessionCache.of_this_user().token(base_url))

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Add the token, where there is one."""
        self._show(request, self.token() if self._is_own(request) else None)
        yield request

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """The same from async code: renewing a login takes as long as its issuer does."""
        self._show(request, await asyncio.to_thread(self.token) if self._is_own(request) else None)
        yield request

    def token(self) -> str | None:
        """The token to show now; None where there is none."""
        found = self.found()
        return None if found is None else found.token

    def found(self) -> FoundToken | None:
        """The token to show now, with its source.

        Raises ``LoginRefused``, ``IssuerUnavailable`` or ``ConfigurationError`` for a login that cannot be used.
        """
        if given := os.environ.get(TOKEN_VARIABLE, "").strip():
            return FoundToken(given, Source.ENVIRONMENT)
        access = find_stack_access(str(self._base_url), folder=self._folder)
        if access is not None:
            return FoundToken(access.token(role=self._role), Source.EMBEDDED_STACK)
        kept = self._session()
        return None if kept is None else FoundToken(kept, Source.LOGIN)

    def _is_own(self, request: httpx2.Request) -> bool:
        return place(request.url) == place(self._base_url)

    @staticmethod
    def _show(request: httpx2.Request, token: str | None) -> None:
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
