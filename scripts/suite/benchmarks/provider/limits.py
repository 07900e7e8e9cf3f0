"""How much of a vendor's rate limits the service uses, and how many of its calls are refused."""

import asyncio
import json
from dataclasses import dataclass
from typing import Final

import httpx2
from llm_provider.tests.vendors.limited_vendor import LimitedVendor, VendorLimits

from suite.benchmarks.provider.receiving import serving
from suite.benchmarks.provider.site import Site, comparison, running, submit

REQUESTS_PER_MINUTE: Final = 600
TOKENS_PER_MINUTE: Final = 200_000
MEASURED_SECONDS: Final = 63.0
WINDOW_SECONDS: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class LimitUtilisation:
    """Shares of a vendor's allowance used in a minute, in requests and in tokens, and the share of calls refused."""

    bound_by: str
    replicas: int
    requests: float
    tokens: float
    refused: float

    @property
    def allowance(self) -> float:
        """The allowance that binds."""
        return max(self.requests, self.tokens)

    def cells(self) -> list[str]:
        """Its row in the table of the page."""
        shares = (f"{self.requests:.1%}", f"{self.tokens:.1%}", f"{self.refused:.2%}")
        return [self.bound_by, str(self.replicas), *shares]


async def use_of_limits(site: Site, *, replicas: int, words: int, bound_by: str) -> LimitUtilisation:
    """Let ``replicas`` judge for more than a minute, and count what the vendor saw."""
    vendor = LimitedVendor(limits=VendorLimits(requests=REQUESTS_PER_MINUTE, tokens=TOKENS_PER_MINUTE))
    own = json.dumps(
        {
            "requests_per_minute": REQUESTS_PER_MINUTE,
            "tokens_per_minute": TOKENS_PER_MINUTE,
            "concurrency": 64,
        }
    )
    async with serving(vendor) as address:
        services = site.replicas(replicas, vendor=address, limits=own, concurrency=64)
        async with running(services), httpx2.AsyncClient() as client:
            for start in range(0, 1_500, 500):
                await submit(client, services[0], [comparison(words, start + n) for n in range(500)])
            await asyncio.sleep(MEASURED_SECONDS)
    return _use(vendor, replicas=replicas, bound_by=bound_by)


def _use(vendor: LimitedVendor, *, replicas: int, bound_by: str) -> LimitUtilisation:
    began = vendor.calls[0].at
    minute = [call for call in vendor.calls if call.at < began + WINDOW_SECONDS]
    return LimitUtilisation(
        bound_by=bound_by,
        replicas=replicas,
        requests=sum(call.status == 200 for call in minute) / REQUESTS_PER_MINUTE,
        tokens=sum(call.tokens for call in minute) / TOKENS_PER_MINUTE,
        refused=sum(call.status == 429 for call in vendor.calls) / len(vendor.calls),
    )
