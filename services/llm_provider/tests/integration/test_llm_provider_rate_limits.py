"""A vendor's limits are used nearly in full and hardly ever broken, by several replicas together."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest
from event_contracts import LLMConfigOverrides
from llm_provider.settings import MIGRATIONS
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import memory_bus, serving, serving_app, settings_for, submit
from llm_provider.tests.vendors.limited_vendor import LimitedVendor, VendorLimits
from service_kit.tests.databases import migrated

WINDOW = 20.0
REPLICAS = 3
TRIES = 3
"""A machine that stands still for a second leaves a second of the allowance unused."""
OVERRIDES = LLMConfigOverrides(provider_override="openai_compatible", model_override="limited-1")


@asynccontextmanager
async def replicas(
    count: int, database_url: str, vendor_url: str, limits: Mapping[str, float]
) -> AsyncIterator[list[httpx2.AsyncClient]]:
    """``count`` replicas on one database, with one bus between them."""
    bus, _ = memory_bus()
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                serving(
                    settings_for(
                        database_url,
                        openai_compatible_url=f"{vendor_url}/v1",
                        limits={"openai_compatible": limits},
                        publish_call_events=False,
                    ),
                    bus=bus,
                )
            )
            for _ in range(count)
        ]


@dataclass(frozen=True)
class Use:
    """Shares of what the vendor allowed in its first window, and of all calls that it refused."""

    requests: float
    tokens: float
    refused: float


async def judged(database_url: str, *, essay_characters: int) -> Use:
    """What the replicas make of the vendor's limits with more to judge than they allow."""
    vendor = LimitedVendor(limits=VendorLimits(requests=200, tokens=67_000, window=WINDOW, latency=0.4))
    limits = {"requests_per_minute": 600, "tokens_per_minute": 200_000, "concurrency": 32}
    items = [
        comparison(f"{number} " + "word " * (essay_characters // 5), overrides=OVERRIDES)
        for number in range(300)
    ]
    async with (
        serving_app(vendor) as address,
        replicas(REPLICAS, database_url, address, limits) as clients,
    ):
        await submit(clients[0], items)
        await asyncio.sleep(WINDOW + 1)
    began = vendor.calls[0].at
    window = [call for call in vendor.calls if call.at < began + WINDOW]
    return Use(
        requests=sum(call.status == 200 for call in window) / vendor.limits.requests,
        tokens=sum(call.tokens for call in window) / vendor.limits.tokens,
        refused=sum(call.status == 429 for call in vendor.calls) / len(vendor.calls),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("essay_characters", "bound"), [(200, "requests"), (1_600, "tokens")])
async def test_the_allowance_is_used_and_the_vendor_rarely_has_to_say_no(
    make_database: Callable[[str], str], essay_characters: int, bound: str
) -> None:
    for _ in range(TRIES):
        use = await judged(migrated(make_database("limits"), MIGRATIONS), essay_characters=essay_characters)
        used = getattr(use, bound)
        print(
            f"{REPLICAS} replicas bound by {bound}: {used:.1%} used, {use.refused:.2%} of the calls refused"
        )
        assert use.refused < 0.01
        if used >= 0.95:
            break
    else:
        pytest.fail(f"at best less than 95 % of the allowance was used, the last time {used:.1%}")
