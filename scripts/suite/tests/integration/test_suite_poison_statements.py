"""A row that cannot be written, at whatever statement of whatever worker, ends its own batch and delays no other."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from dishka import Provider, Scope
from datetime import timedelta
from service_kit.work.failed_items import RetryRules
from suite.tests.poison.stage import Overrides, Stage, suite_on_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = RetryRules(max_attempts=3, first_delay=timedelta(milliseconds=50))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(make_database: Callable[[str], str]) -> AsyncIterator[Stage]:
    rules = Provider(scope=Scope.APP)
    rules.provide(lambda: QUICK, provides=RetryRules)
    overrides = Overrides(cj_assessment=[rules], llm_provider=[rules])
    async with suite_on_stage(make_database, overrides=overrides) as opened:
        yield opened


async def test_try(stage: Stage) -> None:
    for _ in range(5):
        print(await stage.healthy())
    for statement in sorted(stage.census.executed):
        print("W" if statement.writes else "R", statement)
