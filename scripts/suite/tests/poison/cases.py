"""Cases of poison, each with a healthy batch beside it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

from event_contracts import FINAL_STATES, AssessmentState, EventEnvelope
from suite.tests.poison.census import Statement
from suite.tests.poison.judges import SLOW_SECONDS
from suite.tests.poison.ports import ERRORS, PORT
from suite.tests.poison.running_suite import RunningSuite
from suite.tests.poison.scenarios import Scenario
from suite.tests.poison.triggers import SQLSTATES

WAIT_TIMEOUT_SECONDS: Final = 90.0

_ERRORS: Final = cycle(ERRORS)
_SQLSTATES: Final = cycle(SQLSTATES)

_SOONER: Final = (
    "UPDATE assessment_batch SET next_check_at = now() WHERE batch_id = $1 AND state = 'accepted'"
    " AND next_check_at BETWEEN now() + interval '3 seconds' AND now() + interval '28 seconds'",
    "UPDATE comparison_attempt SET deadline = now() FROM assessment_batch AS batch"
    " WHERE batch.id = job_id AND batch_id = $1 AND outcome IS NULL AND comparison_attempt.deadline > now()"
    " AND comparison_attempt.created_at < now() - interval '4 seconds'",
)


@dataclass(frozen=True)
class Case:
    """A batch that these statements cannot write a row of, in the course of a scenario."""

    scenario: Scenario
    statements: tuple[Statement, ...] = ()

    def __str__(self) -> str:
        return f"[{self.scenario.name}] " + " + ".join(map(str, self.statements))


@dataclass
class Outcome:
    """What came of a case."""

    case: Case
    batch_id: str
    state: AssessmentState | None = None
    reason: str | None = None
    listed: list[str] = field(default_factory=list)
    given_up: int = 0
    cancel: int | None = None

    @property
    def has_ended(self) -> bool:
        """The batch has ended, or what is left of it is listed for an operator."""
        return self.state in FINAL_STATES or bool(self.listed) or self.given_up > 0

    def __str__(self) -> str:
        return (
            f"{self.state} {self.reason or ''} listed={self.listed} given_up={self.given_up}"
            f" cancel={self.cancel} {self.case}"
        )


async def start(suite: RunningSuite, case: Case) -> EventEnvelope[Any]:
    """Make the request of a case, and poison its statements."""
    envelope = await suite.request(word=case.scenario.word, **case.scenario.hints)
    batch_id, ids = envelope.data.entity_id, (str(envelope.event_id), str(envelope.correlation_id))
    own = batch_id.removeprefix("batch-")
    await suite.owns(batch_id, own, *ids)
    if any("inbox" in statement.text for statement in case.statements):
        suite.bus.correlations[str(envelope.correlation_id)] = batch_id
    calls = [one for one in case.statements if one.text.startswith(PORT)]
    suite.ports.batches.update(dict.fromkeys((batch_id, own, *ids), batch_id))
    suite.ports.failing[batch_id] = {
        (one.service, one.worker, one.text.removeprefix(PORT)): next(_ERRORS) for one in calls
    }
    async with suite.looking:
        for statement in case.statements:
            if statement in calls:
                continue
            state = next(_SQLSTATES)
            await suite.databases[statement.service].poison(batch_id, statement.tagged, state=state)
    return envelope


async def outcome(suite: RunningSuite, case: Case, batch_id: str) -> Outcome:
    """Wait until a case has ended."""
    found = Outcome(case, batch_id)
    try:
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not found.has_ended:
                await asyncio.sleep(0.1)
                await look(suite, found)
    except TimeoutError:
        return found
    # The last thing that happens to a batch, once its slow judgements have been answered.
    if any(statement.worker == "report_consumption" for statement in case.statements):
        await asyncio.sleep(SLOW_SECONDS + 1)
        await look(suite, found)
    return found


async def look(suite: RunningSuite, found: Outcome) -> None:
    """See what has come of a case so far."""
    status = await suite.status(found.batch_id)
    if status is not None:
        found.state = status.state
        found.reason = status.error.message if status.error else None
    found.listed, found.given_up = [], 0
    async with suite.looking:
        # For this batch time passes faster: leases run out, and answers that do not come are not waited for.
        for change in _SOONER:
            await suite.databases["cj_assessment"].connection.execute(change, found.batch_id)
        for name, database in suite.databases.items():
            rows = await database.rows(
                "SELECT worker, set_aside_at IS NOT NULL AS is_set_aside, error_message FROM failed_item"
                " JOIN poison_id ON id = item WHERE batch = $1",
                found.batch_id,
            )
            found.listed += sorted({f"{name} {row['worker']}" for row in rows if row["is_set_aside"]})
            [given_up] = await database.rows(
                "SELECT count(*) AS messages FROM outbox WHERE given_up_at IS NOT NULL"
                " AND convert_from(value, 'UTF8') LIKE '%' || $1 || '%'",
                found.batch_id,
            )
            found.given_up += given_up["messages"]


@dataclass(frozen=True)
class CaseResult:
    """What came of a case, and how long the healthy batch beside it took."""

    outcome: Outcome
    healthy_seconds: float
    healthy_state: AssessmentState
    not_ready: Sequence[str]


async def run(suite: RunningSuite, case: Case) -> CaseResult:
    """Run a case and a healthy batch side by side."""
    envelope = await start(suite, case)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(case.scenario.drive(suite, envelope))
        status, seconds = await suite.healthy()
    found = await outcome(suite, case, envelope.data.entity_id)
    not_ready = await suite.not_ready()
    found.cancel = await suite.cancel(found.batch_id)
    await suite.heal()
    return CaseResult(found, seconds, status.state, not_ready)
