"""A row that cannot be written, at whatever statement of whatever worker, ends its own batch and delays no other."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from dishka import Provider, Scope
from datetime import timedelta
from service_kit.work.failed_items import RetryRules
from suite.tests.poison.cases import Case, run
from suite.tests.poison.judges import MoodyJudges
from suite.tests.poison.scenarios import SCENARIOS
from suite.tests.poison.stage import Overrides, Stage, suite_on_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = RetryRules(max_attempts=3, first_delay=timedelta(milliseconds=50))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(make_database: Callable[[str], str]) -> AsyncIterator[Stage]:
    rules = Provider(scope=Scope.APP)
    rules.provide(lambda: QUICK, provides=RetryRules)
    overrides = Overrides(cj_assessment=[rules], llm_provider=[rules, MoodyJudges()])
    async with suite_on_stage(make_database, overrides=overrides) as opened:
        yield opened


async def test_try(stage: Stage) -> None:
    import time, os, sys
    K = int(os.environ.get('K', '1'))
    first = {}
    out = open(os.environ.get('OUT', '/tmp/breaker_out.txt'), 'w', buffering=1)
    def print(*a):
        out.write(' '.join(map(str, a)) + '\n')
    for scenario in SCENARIOS:
        before = set(stage.census.executed)
        began = time.monotonic()
        group = await run(stage, [Case(scenario)])
        await stage.until_ended(group.outcomes[0].batch_id)
        print("SCEN", scenario.name, time.monotonic() - began, group)
        for one in stage.census.executed - before:
            first[one] = scenario
    alone = [(await stage.healthy())[1] for _ in range(3)]
    print("ALONE", alone)
    only = os.environ.get('ONLY', '')
    targets = [Case(first[s], (s,)) for s in sorted(first) if s.writes and s.worker != "http" and only in str(s)]
    for n in range(0, len(targets), K):
        began = time.monotonic()
        group = await run(stage, targets[n:n+K])
        print("GROUP", time.monotonic() - began, group.healthy_seconds, group.healthy_state, group.not_ready)
        for one in group.outcomes:
            hit = [s in stage.census.poisoned for s in one.case.statements]
            print("   CASE", hit, one)
