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
from suite.tests.poison.cases import Case, CaseResult, Outcome, run
from suite.tests.poison.census import Statement
from suite.tests.poison.judges import UnreliableJudges
from suite.tests.poison.ports import PORT
from suite.tests.poison.running_suite import RunningSuite, run_suite
from suite.tests.poison.scenarios import SCENARIOS, scenarios_for

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
    "UPDATE batch_job": "no batch here is relaxed: see test_llm_provider_poison",
    "INSERT INTO cost_alert": "alerts belong to a provider",
}
"""Writes that concern no batch, and why."""

WITHOUT_OPEN_BATCHES: Final = {
    "http": "its caller gets the error",
    "housekeeping": "rows of batches that ended long ago",
    "forget": "no batch is forgotten here",
}
"""Workers that write nothing of an open batch, and why."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite(make_database: Callable[[str], str]) -> AsyncIterator[RunningSuite]:
    rules = Provider(scope=Scope.APP)
    rules.provide(lambda: QUICK, provides=RetryRules)
    overrides = {"cj_assessment": [rules], "llm_provider": [rules, UnreliableJudges()]}
    async with run_suite(make_database, overrides=overrides) as opened:
        # Each scenario once, so that the statements and ports are known: side by side, as nothing is timed.
        for first in range(0, len(SCENARIOS), DISCOVERED_AT_ONCE):
            chosen = SCENARIOS[first : first + DISCOVERED_AT_ONCE]
            await asyncio.gather(*(run(opened, Case(scenario)) for scenario in chosen))
        yield opened


@dataclass
class PoisonRun:
    """Poisons every statement that workers write with, as they are met, in the scenarios that lead to them."""

    suite: RunningSuite
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
            return {one for one in self.suite.ports.called if one.worker not in WITHOUT_OPEN_BATCHES}
        return {
            one
            for one in self.suite.census.executed
            if one.writes
            and one.worker not in WITHOUT_OPEN_BATCHES
            and not any(part in one.text for part in OF_NO_BATCH)
        }

    @property
    def poisoned(self) -> set[Statement]:
        """What has failed."""
        return self.wanted & (self.suite.ports.poisoned if self.of_ports else self.suite.census.poisoned)

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
        result = await run(self.suite, case)
        self._check(result)
        _report(f"BESIDE {result.healthy_seconds:.2f} s {result.outcome}")
        return result.healthy_seconds / expected

    async def _seconds_now(self, case: Case) -> float:
        """What the healthy batch takes without poison, on a machine that may have become busier since."""
        control = await run(self.suite, Case(case.scenario))
        return max(self.expected_seconds, control.healthy_seconds)

    def _check(self, result: CaseResult) -> None:
        self.outcomes.append(result.outcome)
        self.problems += result.not_ready
        if result.healthy_state is not AssessmentState.COMPLETED:
            self.problems.append(f"the healthy batch ended {result.healthy_state}")
        if not result.outcome.has_ended or result.outcome.cancel not in (202, 409):
            self.problems.append(f"not ended: {result.outcome}")


def _report(*lines: str) -> None:
    print("\n".join(lines))
    if (file := os.environ.get("CJ_POISON_REPORT")) is not None:
        with Path(file).open("a", encoding="utf-8") as report:
            report.writelines(f"{line}\n" for line in lines)


async def poisoned_everywhere(suite: RunningSuite, *, of_ports: bool) -> PoisonRun:
    """Let everything fail once, and report it."""
    alone = median([(await suite.healthy())[1] for _ in range(3)])
    poisoning = PoisonRun(suite, expected_seconds=alone, of_ports=of_ports)
    while cases := poisoning.next_cases():
        for case in cases:
            await poisoning.run(case)
    await poisoning.repeat_slow_cases()
    _report(
        f"alone {alone:.2f} s",
        f"{len(poisoning.outcomes)} cases, {len(poisoning.poisoned)} of {len(poisoning.wanted)} failed once",
        f"slowest healthy batch {max(poisoning.ratios.values()):.2f} times; "
        f"all {[round(ratio, 2) for ratio in poisoning.ratios.values()]}",
        *(f"missing: {one}" for one in poisoning.missing),
        *(f"missing: all of {kind}" for kind in sorted(poisoning.untouched)),
    )
    return poisoning


async def test_a_row_that_cannot_be_written_delays_no_other_batch(suite: RunningSuite) -> None:
    poisoning = await poisoned_everywhere(suite, of_ports=False)

    assert poisoning.problems == []
    assert median(poisoning.ratios.values()) <= MAX_MEDIAN
    assert (poisoning.missing, poisoning.untouched) == ([], set()), (
        "no case has reached these: extend the scenarios"
    )


async def test_a_port_that_raises_for_one_batch_delays_no_other(suite: RunningSuite) -> None:
    poisoning = await poisoned_everywhere(suite, of_ports=True)

    assert poisoning.problems == []
    assert median(poisoning.ratios.values()) <= MAX_MEDIAN
    assert (poisoning.missing, poisoning.untouched) == ([], set()), (
        "no case has reached these: extend the scenarios"
    )
