"""A row that cannot be written, at whatever statement of whatever worker, ends its own batch and delays no other.

Every worker and every port fails at least once. With CJ_POISON=all every writing statement and every method of a port
does, which takes minutes; CJ_POISON_REPORT names a file that each case is then reported to.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Final

import pytest
import pytest_asyncio
from dishka import Provider, Scope
from event_contracts import AssessmentState
from service_kit.work.failed_items import RetryRules
from suite.tests.poison.cases import Beside, Case, Outcome, run
from suite.tests.poison.census import Statement
from suite.tests.poison.judges import MoodyJudges
from suite.tests.poison.ports import PORT
from suite.tests.poison.scenarios import SCENARIOS, scenarios_for
from suite.tests.poison.stage import Stage, suite_on_stage

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

QUICK: Final = RetryRules(max_attempts=3, first_delay=timedelta(milliseconds=50))
EVERYTHING: Final = os.environ.get("CJ_POISON") == "all"
MAX_MEDIAN: Final = 1.2
"""A healthy batch beside a poisoned one ends as fast as alone, in the median of all cases."""

MAX_RATIO: Final = MAX_MEDIAN if EVERYTHING else 2.0
"""The same for each single case: a busy machine moves it, so that only the long run is strict."""

DISCOVERED_AT_ONCE: Final = 4
TRIES: Final = 3
"""A healthy batch that a busy machine has delayed is judged again, beside new poison."""

OF_NO_BATCH: Final = {
    "UPDATE meter": "a meter belongs to a model, whichever caller asks",
    "INSERT INTO meter": "the same",
    "UPDATE batch_job": "relaxed requests are not on this stage: see test_llm_provider_poison",
    "INSERT INTO cost_alert": "alerts belong to a provider",
}
"""Writes that concern no batch, and why."""

NOT_ON_STAGE: Final = {
    "http": "its caller gets the error",
    "housekeeping": "rows of batches that ended long ago",
    "forget": "no batch is forgotten here",
}
"""Workers that write nothing of an open batch, and why."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(make_database: Callable[[str], str]) -> AsyncIterator[Stage]:
    rules = Provider(scope=Scope.APP)
    rules.provide(lambda: QUICK, provides=RetryRules)
    overrides = {"cj_assessment": [rules], "llm_provider": [rules, MoodyJudges()]}
    async with suite_on_stage(make_database, overrides=overrides) as opened:
        yield opened


@dataclass
class Pack:
    """Poisons every statement that workers write with, as they are met, in the scenarios that lead to them."""

    stage: Stage
    expected_seconds: float
    of_ports: bool
    tried: dict[Statement, list[Case]] = field(default_factory=dict)
    failing: dict[tuple[str, str], Case] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    ratios: dict[Case, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def wanted(self) -> set[Statement]:
        """What is to fail once: the workers' statements that write rows of a batch, or their calls of ports."""
        if self.of_ports:
            return {one for one in self.stage.ports.called if one.worker not in NOT_ON_STAGE}
        return {
            one
            for one in self.stage.census.executed
            if one.writes
            and one.worker not in NOT_ON_STAGE
            and not any(part in one.text for part in OF_NO_BATCH)
        }

    @property
    def poisoned(self) -> set[Statement]:
        """What has failed."""
        return self.wanted & (self.stage.ports.poisoned if self.of_ports else self.stage.census.poisoned)

    @property
    def missing(self) -> list[Statement]:
        """What has not failed yet: one of each worker or port, unless all are wanted."""
        missing = sorted(self.wanted - self.poisoned)
        if EVERYTHING:
            return missing
        done = {self._kind(one) for one in self.poisoned}
        first: dict[tuple[str, str], Statement] = {}
        for one in missing:
            if self._kind(one) not in done and len(self.tried.get(one, ())) < len(SCENARIOS):
                first.setdefault(self._kind(one), one)
        return list(first.values())

    @property
    def untouched(self) -> set[tuple[str, str]]:
        """Workers, or ports, of which nothing has failed."""
        return {self._kind(one) for one in self.wanted} - {self._kind(one) for one in self.poisoned}

    def _kind(self, statement: Statement) -> tuple[str, str]:
        port = statement.text.removeprefix(PORT).rpartition(".")[0]
        return statement.service, port if self.of_ports else statement.worker

    def next_cases(self) -> list[Case]:
        """A case for each statement that was not poisoned yet, as far as there is one that was not tried."""
        found = []
        for statement in self.missing:
            tried = self.tried.setdefault(statement, [])
            case = next((one for one in self._cases_of(statement) if one not in tried), None)
            if case is not None:
                tried.append(case)
                found.append(case)
        return found

    def _cases_of(self, statement: Statement) -> Sequence[Case]:
        """In scenarios of their own; and after a failure of the same worker, to which the statement may belong."""
        first = self.failing.get((statement.service, statement.worker))
        alone = [Case(scenario, (statement,)) for scenario in scenarios_for(statement.worker)]
        return alone if first is None else [Case(first.scenario, (*first.statements, statement)), *alone]

    async def run(self, case: Case) -> None:
        """Run a case beside a healthy batch; again where that was slow, for it may have been the machine."""
        known = len(self.problems)
        ratio = await self._ratio(case, expected=self.expected_seconds)
        for _ in range(TRIES - 1):
            if ratio <= MAX_RATIO:
                break
            ratio = min(ratio, await self._ratio(case, expected=await self._seconds_now(case)))
        self.ratios[case] = ratio
        if ratio > MAX_RATIO:
            self.problems.append(f"{ratio:.2f} times as slow beside {case}")
        _report(*(f"PROBLEM {one}" for one in self.problems[known:]))
        for statement in self.poisoned.intersection(case.statements):
            self.failing.setdefault((statement.service, statement.worker), case)

    async def repeat_slow_cases(self) -> None:
        """Until the median is that of an idle machine, run slow cases once more, the least slow first."""
        for case, ratio in sorted(self.ratios.items(), key=lambda found: found[1]):
            if median(self.ratios.values()) <= MAX_MEDIAN:
                return
            if ratio > MAX_MEDIAN:
                expected = await self._seconds_now(case)
                self.ratios[case] = min(ratio, await self._ratio(case, expected=expected))

    async def _ratio(self, case: Case, *, expected: float) -> float:
        beside = await run(self.stage, case)
        self._check(beside)
        _report(f"BESIDE {beside.healthy_seconds:.2f} s {beside.outcome}")
        return beside.healthy_seconds / expected

    async def _seconds_now(self, case: Case) -> float:
        """What the healthy batch takes without poison, on a machine that may have become busier since."""
        control = await run(self.stage, Case(case.scenario))
        return max(self.expected_seconds, control.healthy_seconds)

    def _check(self, beside: Beside) -> None:
        self.outcomes.append(beside.outcome)
        self.problems += beside.not_ready
        if beside.healthy_state is not AssessmentState.COMPLETED:
            self.problems.append(f"the healthy batch ended {beside.healthy_state}")
        if not beside.outcome.has_ended or beside.outcome.cancel not in (202, 409):
            self.problems.append(f"not ended: {beside.outcome}")


def _report(*lines: str) -> None:
    print("\n".join(lines))
    if (file := os.environ.get("CJ_POISON_REPORT")) is not None:
        with Path(file).open("a", encoding="utf-8") as report:
            report.writelines(f"{line}\n" for line in lines)


async def poisoned_everywhere(stage: Stage, *, of_ports: bool) -> Pack:
    """Let everything fail once, and report it."""
    alone = median([(await stage.healthy())[1] for _ in range(3)])
    # Each scenario once, so that the statements and ports are known: side by side, as nothing is timed.
    for first in range(0, len(SCENARIOS), DISCOVERED_AT_ONCE):
        chosen = SCENARIOS[first : first + DISCOVERED_AT_ONCE]
        await asyncio.gather(*(run(stage, Case(scenario)) for scenario in chosen))
    pack = Pack(stage, expected_seconds=alone, of_ports=of_ports)
    while cases := pack.next_cases():
        for case in cases:
            await pack.run(case)
    await pack.repeat_slow_cases()
    _report(
        f"alone {alone:.2f} s",
        f"{len(pack.outcomes)} cases, {len(pack.poisoned)} of {len(pack.wanted)} failed once",
        f"slowest healthy batch {max(pack.ratios.values()):.2f} times; "
        f"all {[round(ratio, 2) for ratio in pack.ratios.values()]}",
        *(f"missing: {one}" for one in pack.missing),
        *(f"missing: all of {kind}" for kind in sorted(pack.untouched)),
    )
    return pack


async def test_a_row_that_cannot_be_written_delays_no_other_batch(stage: Stage) -> None:
    pack = await poisoned_everywhere(stage, of_ports=False)

    assert pack.problems == []
    assert median(pack.ratios.values()) <= MAX_MEDIAN
    assert (pack.missing, pack.untouched) == ([], set()), "no case has reached these: extend the scenarios"


async def test_a_port_that_raises_for_one_batch_delays_no_other(stage: Stage) -> None:
    pack = await poisoned_everywhere(stage, of_ports=True)

    assert pack.problems == []
    assert median(pack.ratios.values()) <= MAX_MEDIAN
    assert (pack.missing, pack.untouched) == ([], set()), "no case has reached these: extend the scenarios"
