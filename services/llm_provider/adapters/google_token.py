"""Bearer tokens for Google Cloud, from Google's own library, which renews them before they expire."""

import asyncio
from typing import Any, Final

from event_contracts import ConfigurationError

from llm_provider.domain.calls.errors import JudgeUnreachable, KeyRejected

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"


class GoogleToken:
    """Gives the token of the moment; one renewal at a time, in a thread.

    Credentials are those of GOOGLE_APPLICATION_CREDENTIALS, of ``gcloud auth application-default
    login`` or of the machine.
    Raises ``ConfigurationError`` where the library or the credentials are not there.
    """

    def __init__(self, *, endpoint: str) -> None:
        self._endpoint = endpoint
        self._credentials, self._request = _credentials(endpoint)
        self._renewing = asyncio.Lock()

    async def __call__(self) -> str:
        """Raises ``JudgeError`` where Google gives none."""
        async with self._renewing:
            if not self._credentials.valid:
                await self._renew()
        return str(self._credentials.token)

    async def _renew(self) -> None:
        from google.auth.exceptions import GoogleAuthError, TransportError

        try:
            await asyncio.to_thread(self._credentials.refresh, self._request)
        except TransportError as error:
            raise JudgeUnreachable(
                f"{self._endpoint}: Google's token server cannot be reached ({type(error).__name__})"
            ) from error
        except GoogleAuthError as error:
            raise KeyRejected(
                f"{self._endpoint}: Google issues no token for these credentials ({type(error).__name__}):"
                " check GOOGLE_APPLICATION_CREDENTIALS and the account's rights"
            ) from None


def _credentials(endpoint: str) -> tuple[Any, Any]:
    """The library's credentials and transport, which have no types."""
    try:
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError
        from google.auth.transport.requests import Request
    except ImportError:
        raise ConfigurationError(
            f"{endpoint} requires Google credentials: install the extra `vertex` (google-auth[requests])"
        ) from None
    try:
        credentials, _ = google.auth.default(scopes=[SCOPE])
    except DefaultCredentialsError:
        raise ConfigurationError(
            f"{endpoint} requires Google credentials, and none are found: set GOOGLE_APPLICATION_CREDENTIALS"
        ) from None
    return credentials, Request()
