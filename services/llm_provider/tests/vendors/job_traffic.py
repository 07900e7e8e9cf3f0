"""A vendor's batch API against the fake vendor, with everything that goes over the wire."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import orjson
import pytest
from event_contracts import JsonObject
from llm_provider.domain.costs.usage import Usage
from llm_provider.ports import BatchItem, BatchJobState, BatchJudge, BatchOutcome
from llm_provider.tests.vendors.calling import (
    batches_of,
    call,
)
from llm_provider.tests.vendors.fake_vendors import (
    Answer,
    FakeVendors,
    Scenario,
    always,
    fake_vendors,
)

USAGE: Final = Usage(input=1_000, output=30, cache_read=600, reasoning=9)


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """A batch API against the fake vendor, and all that went over the wire."""

    batches: BatchJudge
    vendors: FakeVendors
    requests: list[httpx2.Request]
    responses: list[httpx2.Response]

    def bodies(self, path: str) -> list[JsonObject]:
        """The JSON bodies that went to an address."""
        return [orjson.loads(request.content) for request in self.requests if request.url.path.endswith(path)]

    def answers(self, path: str) -> list[JsonObject]:
        """The JSON bodies that came from an address."""
        answered = [answer for answer in self.responses if answer.request.url.path.endswith(path)]
        return [orjson.loads(answer.content) for answer in answered]


@asynccontextmanager
async def job_traffic(
    vendor: str,
    scenario: Scenario = always(Answer(usage=USAGE)),  # noqa: B008 - it holds no state
) -> AsyncIterator[Traffic]:
    requests: list[httpx2.Request] = []
    responses: list[httpx2.Response] = []

    async def keep_request(request: httpx2.Request) -> None:
        await request.aread()
        requests.append(request)

    async def keep_response(response: httpx2.Response) -> None:
        if response.headers.get("content-type") == "application/json":  # the files of results are streamed
            await response.aread()
        responses.append(response)

    hooks: dict[str, list[Any]] = {"request": [keep_request], "response": [keep_response]}
    async with (
        fake_vendors(scenario) as vendors,
        httpx2.AsyncClient(verify=False, event_hooks=hooks) as client,
    ):
        yield Traffic(
            batches=batches_of(vendor, client, base_url=vendors.url(vendor)),
            vendors=vendors,
            requests=requests,
            responses=responses,
        )


def items(vendor: str, *keys: str, **changes: Any) -> list[BatchItem]:
    return [BatchItem(custom_id=key, call=call(vendor, **changes)) for key in keys]


async def ended(traffic: Traffic, job_id: str) -> None:
    """Look at a job until it is over."""
    for _ in range(5):
        if (await traffic.batches.view(job_id)).state is not BatchJobState.RUNNING:
            return
    pytest.fail("the job does not end")


async def outcomes_of(traffic: Traffic, job_id: str) -> dict[str, BatchOutcome]:
    found = [outcome async for outcome in traffic.batches.outcomes(job_id)]
    assert len({outcome.custom_id for outcome in found}) == len(found), "nothing is answered twice"
    return {outcome.custom_id: outcome for outcome in found}
