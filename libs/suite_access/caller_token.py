"""The token that goes with each request of a command-line program."""

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final

import httpx2

from suite_access.stack_access import DEFAULT_FOLDER, find_stack_access

TOKEN_VARIABLE: Final = "CJ_ADMIN_TOKEN"

TokenSource = Callable[[], str | None]


class CallerToken(httpx2.Auth):
    """Shows the caller's token to the service at ``base_url``; a token never goes to another address.

    ``session`` is asked last: the cached session of a login, where the program has one. ``role`` is the one that an
    embedded stack's key is used for.
    """

    def __init__(
        self, base_url: str, *, role: str, folder: Path = DEFAULT_FOLDER, session: TokenSource | None = None
    ) -> None:
        self._base_url = httpx2.URL(base_url)
        self._role = role
        self._folder = folder
        self._session = session

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Add the token, where there is one."""
        own = self._base_url
        is_own = (request.url.scheme, request.url.host, request.url.port) == (own.scheme, own.host, own.port)
        token = self.token() if is_own else None
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        yield request

    def token(self) -> str | None:
        """The token to show now; None where there is none."""
        if given := os.environ.get(TOKEN_VARIABLE, "").strip():
            return given
        access = find_stack_access(str(self._base_url), folder=self._folder)
        if access is not None:
            return access.token(role=self._role)
        return self._session() if self._session is not None else None
