"""The one place where a connection to the services is made, with the token that they ask for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx2
from suite_access import CallerToken

from batch_runner.wire.client import AssessmentClient

ROLE: Final = "runner"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AssessmentClient]:
    """A client of the CJ Assessment service at ``url``, with the caller's token for it."""
    address = url.rstrip("/")
    async with httpx2.AsyncClient(auth=CallerToken(address, role=ROLE)) as http:
        yield AssessmentClient(http=http, base_url=address)
