"""A vendor's limits are used nearly in full and hardly ever broken, by several replicas together."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import pytest
from event_contracts import LLMConfigOverrides
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import memory_bus, serving, serving_app, settings_for, submit
from llm_provider.tests.vendors.limited_vendor import LimitedVendor, VendorLimits

WINDOW = 20.0
REPLICAS = 3
CHECK_SECONDS = 0.05
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


class Stalls:
    """How long other processes kept this one, which runs the replicas and the vendor, from running."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def watch(self) -> None:
        """Add up how far short sleeps overrun, apart from the processor time that this process used meanwhile."""
        while True:
            before, computed = time.monotonic(), time.process_time()
            await asyncio.sleep(CHECK_SECONDS)
            late = time.monotonic() - before - CHECK_SECONDS - (time.process_time() - computed)
            self.seconds += late if late > CHECK_SECONDS else 0.0


@pytest.mark.slow
@pytest.mark.parametrize(("essay_characters", "bound"), [(200, "requests"), (1_600, "tokens")])
async def test_the_allowance_is_used_and_the_vendor_rarely_has_to_say_no(
    database_url: str, essay_characters: int, bound: str
) -> None:
    vendor = LimitedVendor(limits=VendorLimits(requests=200, tokens=67_000, window=WINDOW, latency=0.4))
    limits = {"requests_per_minute": 600, "tokens_per_minute": 200_000, "concurrency": 32}
    items = [
        comparison(f"{number} " + "word " * (essay_characters // 5), overrides=OVERRIDES)
        for number in range(300)
    ]
    stalls = Stalls()
    async with (
        serving_app(vendor) as address,
        replicas(REPLICAS, database_url, address, limits) as clients,
    ):
        await submit(clients[0], items)
        watching = asyncio.create_task(stalls.watch())
        await asyncio.sleep(WINDOW + 1)
        watching.cancel()

    began = vendor.calls[0].at
    window = [call for call in vendor.calls if call.at < began + WINDOW]
    used = {
        "requests": sum(call.status == 200 for call in window) / vendor.limits.requests,
        "tokens": sum(call.tokens for call in window) / vendor.limits.tokens,
    }
    refused = sum(call.status == 429 for call in vendor.calls) / len(vendor.calls)
    print(
        f"{REPLICAS} replicas bound by {bound}: {used[bound]:.1%} used, {refused:.2%} of the calls refused,"
        f" {stalls.seconds:.1f} s of {WINDOW:g} s lost to other processes"
    )
    assert used[bound] >= 0.95 - stalls.seconds / WINDOW, used
    assert refused < 0.01
