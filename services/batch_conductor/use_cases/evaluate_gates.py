"""Evaluate the gates before the phases that are still to be run, each on its facts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from types import MappingProxyType
from typing import Final

from event_contracts import GateVerdict, PhaseName

from batch_conductor.domain.gates import BatchFacts, FactUnknown, GateName, GateResult
from batch_conductor.domain.phases import NOTHING_ON_RECORD, BatchRecord
from batch_conductor.domain.pipeline import BatchId, Pipeline, PipelineRules
from batch_conductor.ports import Facts, Watcher


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCase:
    """What a gate is asked about."""

    batch_id: BatchId
    said: BatchFacts
    batch: BatchRecord
    pipeline: Pipeline
    facts: Facts


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a gate is closed, and what opens it."""

    reason: str
    what_to_do: str


GateRule = Callable[[GateCase], Awaitable[Obstacle | None]]
"""None lets the batch through; raises ``FactUnknown``."""


async def prompt_attached(case: GateCase) -> Obstacle | None:
    """The metadata says that there is a prompt and its reference resolves, or the assignment has one.

    Where the metadata names no reference there is nothing to resolve, and the caller's word counts.
    """
    if case.said.prompt_storage_id is not None:
        return await _reference_resolves(case, case.said.prompt_storage_id)
    if case.said.prompt_attached:
        return None
    if case.said.assignment_id is None:
        return Obstacle(
            "the batch has no student prompt, and its essays cannot be judged without their task",
            "attach the prompt to the batch, then send batch_metadata.student_prompt_ref with its"
            " student_prompt_text reference, or batch_metadata.prompt_attached = true",
        )
    if await case.facts.has_prompt(case.said.assignment_id):
        return None
    return Obstacle(
        f"neither the batch nor its assignment {case.said.assignment_id!r} has a student prompt",
        "upload one for the assignment, or send batch_metadata.student_prompt_ref",
    )


async def _reference_resolves(case: GateCase, storage_id: str) -> Obstacle | None:
    unknown: FactUnknown | None = None
    try:
        if await case.facts.has_text(storage_id):
            return None
    except FactUnknown as error:
        unknown = error
    if case.said.assignment_id is not None and await case.facts.has_prompt(case.said.assignment_id):
        return None
    if unknown is not None:
        raise unknown
    return Obstacle(
        f"student_prompt_ref names {storage_id!r}, which the content store does not have",
        "store the prompt again and send its new storage_id",
    )


async def anchors_registered(case: GateCase) -> Obstacle | None:
    """Where grades are asked for, the assignment has essays whose grade is known."""
    if not case.said.grades_requested:
        return None
    if case.said.assignment_id is None:
        return Obstacle(
            "grades are asked for, but no assignment is named whose anchors could give them",
            "send batch_metadata.assignment_id, or grades_requested = false for a ranking without grades",
        )
    if await case.facts.has_anchors(case.said.assignment_id):
        return None
    return Obstacle(
        f"grades are asked for, and assignment {case.said.assignment_id!r} has no anchor essays",
        "register anchors at CJ Assessment, or send grades_requested = false for a ranking without grades",
    )


async def essays_ready(case: GateCase) -> Obstacle | None:
    """The batch has essays, and at least one of them has come through the phases that are completed."""
    if case.said.essays_ready is False or case.said.essay_count == 0:
        return Obstacle(
            "the batch's essays are not there yet",
            "ask again when its essays are stored, without essays_ready = false and with their essay_count",
        )
    for phase in case.pipeline.skipped:
        record = case.batch.phases.get(phase, NOTHING_ON_RECORD)
        if record.counts.succeeded or record.essays is None:
            continue
        if record.counts.total < record.essays:
            raise FactUnknown(
                f"{phase} is reported as completed for {record.essays} essays, of which"
                f" {record.counts.total} are named and none succeeded",
                what_to_do="ask again when its essays are reported",
            )
        return Obstacle(
            f"no essay has come through {phase}", f"correct the essays and have {phase} run again"
        )
    return None


async def budget_available(case: GateCase) -> Obstacle | None:
    """Where a budget is named, the batch's judgements have not used it up."""
    if case.said.max_cost_usd is None:
        return None
    spent = await case.facts.spent_usd(case.batch_id)
    if spent < case.said.max_cost_usd:
        return None
    return Obstacle(
        f"the batch has cost {spent} US dollars of a budget of {case.said.max_cost_usd}",
        "raise batch_metadata.max_cost_usd",
    )


GATES: Final[Mapping[GateName, GateRule]] = MappingProxyType(
    {
        GateName.PROMPT_ATTACHED: prompt_attached,
        GateName.ANCHORS_REGISTERED: anchors_registered,
        GateName.ESSAYS_READY: essays_ready,
        GateName.BUDGET_AVAILABLE: budget_available,
    }
)


@dataclass(frozen=True, kw_only=True)
class EvaluateGates:
    """Evaluates every gate of a pipeline, so that a caller learns of all obstacles together."""

    rules: PipelineRules
    facts: Facts
    watcher: Watcher

    async def __call__(
        self, pipeline: Pipeline, *, batch_id: BatchId, said: BatchFacts, batch: BatchRecord
    ) -> Sequence[GateResult]:
        """What each gate says, in the order of the rules."""
        case = GateCase(batch_id=batch_id, said=said, batch=batch, pipeline=pipeline, facts=self.facts)
        asked = self.rules.gates_of(pipeline.phases)
        return await asyncio.gather(*(self._evaluate(gate, phases, case) for gate, phases in asked.items()))

    async def _evaluate(self, gate: GateName, phases: tuple[PhaseName, ...], case: GateCase) -> GateResult:
        started = perf_counter()
        try:
            obstacle = await GATES[gate](case)
        except FactUnknown as unknown:
            result = GateResult(
                gate=gate,
                verdict=GateVerdict.NOT_EVALUATED,
                phases=phases,
                reason=unknown.reason,
                what_to_do=unknown.what_to_do,
                retry_after=unknown.retry_after,
            )
        else:
            result = _judged(gate, phases, obstacle)
        self.watcher.watch_gate(result, seconds=perf_counter() - started)
        return result


def _judged(gate: GateName, phases: tuple[PhaseName, ...], obstacle: Obstacle | None) -> GateResult:
    if obstacle is None:
        return GateResult(gate=gate, verdict=GateVerdict.OPEN, phases=phases)
    return GateResult(
        gate=gate,
        verdict=GateVerdict.BLOCKED,
        phases=phases,
        reason=obstacle.reason,
        what_to_do=obstacle.what_to_do,
    )
