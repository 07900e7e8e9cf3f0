"""How much of a vendor's rate limits the LLM Provider uses, and what it adds to a call, in one run.

Limits: a vendor counts 600 requests and 200,000 tokens over every minute and refuses what goes beyond. One replica and
three (processes of their own, one database) judge comparisons that are short enough to be bound by requests, or long
enough to be bound by tokens. Overhead: the same vendor without limits, called directly through httpx2 and through the
service, from the POST of one comparison to the arrival of its result on its topic or at its URL, at several
concurrencies; and, as the floor, between the same durable steps with bare asyncpg and aiokafka.
"""

import asyncio
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from suite.benchmarks.page import write_section
from suite.benchmarks.provider.limits import (
    REQUESTS_PER_MINUTE,
    TOKENS_PER_MINUTE,
    WINDOW_SECONDS,
    LimitUtilisation,
    use_of_limits,
)
from suite.benchmarks.provider.overhead import (
    CALL_SECONDS,
    CONCURRENCIES,
    Overhead,
    against_floor,
    overheads,
)
from suite.benchmarks.provider.site import LONG_ESSAY, SHORT_ESSAY, Site
from suite.embedded.kafka import throwaway_kafka
from suite.embedded.postgres import throwaway_postgres

REPLICAS: Final = (1, 3)
BEGIN: Final = "<!-- provider: written by make bench-provider -->"
END: Final = "<!-- provider: end -->"


async def measure(folder: Path) -> tuple[list[LimitUtilisation], list[Overhead]]:
    """Both measurements, printed as they come."""
    uses: list[LimitUtilisation] = []
    with throwaway_postgres() as postgres, throwaway_kafka() as kafka:
        site = Site(postgres=postgres, kafka=kafka.bootstrap, folder=folder)
        for words, bound_by in ((SHORT_ESSAY, "requests"), (LONG_ESSAY, "tokens")):
            for count in REPLICAS:
                uses.append(await use_of_limits(site, replicas=count, words=words, bound_by=bound_by))
                print(f"limits:   {' | '.join(uses[-1].cells())}", flush=True)
        return uses, await overheads(site)


def section(uses: Sequence[LimitUtilisation], added: Sequence[Overhead]) -> str:
    """The provider's section of the page, between its marks."""
    lines = [
        BEGIN,
        "## LLM Provider",
        "",
        f"`make bench-provider`, on {os.cpu_count()} cores with everything on one machine. A vendor allows"
        f" {REQUESTS_PER_MINUTE} requests and {TOKENS_PER_MINUTE:,} tokens in any {WINDOW_SECONDS:g} seconds (a sliding"
        " window: no vendor is stricter) and takes 0.5 s for a call. The first minute from the first call on is"
        " looked at; the goals are 95 % of the allowance that binds, and less than 1 % of the calls answered 429.",
        "",
        "| bound by | replicas | requests used | tokens used | answered 429 |",
        "|---|--:|--:|--:|--:|",
        *(f"| {' | '.join(use.cells())} |" for use in uses),
        "",
        "What the service adds to a call: from the POST of one comparison to the arrival of its result, compared with"
        f" the same call made directly with httpx2, to a vendor that takes {CALL_SECONDS:g} s; calls start evenly"
        " spread over that time. Milliseconds. Vendor, callers and receivers share the cores with the service, its"
        " database and its broker. The bare steps are the floor: four commits (queue, lease, record, sent) with bare"
        " asyncpg and one message with bare aiokafka around each call. The goal for the median: three times it.",
        "",
        "| concurrency | result by | direct p50 | direct p99 | through p50 | through p99 | added p50 | added p99 |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
        *(f"| {' | '.join(one.cells())} |" for one in added),
        END,
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, write the section of the page, and end with one line of the worst figures (overhead: by topic)."""
    # While new topics have no leader yet the client warns of it; that is expected here.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory(prefix="bench-provider-") as folder:
        uses, added = asyncio.run(measure(Path(folder)))
    write_section(section(uses, added))
    print(line(uses, added))


def line(uses: Sequence[LimitUtilisation], added: Sequence[Overhead]) -> str:
    """The worst figures, then what the service and the floor add to the median call, each at one and at most calls."""
    floors = []
    for number in (CONCURRENCIES[0], CONCURRENCIES[-1]):
        service, floor, ratio = against_floor(added, concurrency=number)
        floors.append(
            f"added_{number}_ms={service:.0f} floor_{number}_ms={floor:.0f} ratio_{number}={ratio:.1f}"
        )
    return (
        f"allowance_used={min(use.allowance for use in uses):.3f}"
        f" rate_limited={max(use.refused for use in uses):.4f}"
        f" overhead_p99_ms={max(one.added.p99 for one in added if one.way == 'topic'):.0f} {' '.join(floors)}"
    )


if __name__ == "__main__":
    main()
