"""The one place where a connection to the services is made, with the token that they ask for."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx2

from batch_runner.wire.client import AssessmentClient

TOKEN_VARIABLE: Final = "CJ_RUN_TOKEN"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AssessmentClient]:
    """A client of the CJ Assessment service at ``url``; a token in ``CJ_RUN_TOKEN`` goes with each request."""
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(headers=headers) as http:
        yield AssessmentClient(http=http, base_url=url.rstrip("/"))
