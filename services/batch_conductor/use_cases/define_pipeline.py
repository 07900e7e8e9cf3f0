"""Define a pipeline: what a batch still has to go through to reach what was requested, or why it may not."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import structlog
from event_contracts import PipelineRequest, SuiteError

from batch_conductor.domain.errors import GatesNotEvaluated
from batch_conductor.domain.gates import BatchFacts
from batch_conductor.domain.phases import BatchRecord, completed_phases
from batch_conductor.domain.pipeline import BatchId, PipelineRules
from batch_conductor.domain.plan import Plan, make_plan
from batch_conductor.ports import ResolutionOutcome, Watcher
from batch_conductor.use_cases.evaluate_gates import EvaluateGates

log = structlog.get_logger()

UNKNOWN_PIPELINE: Final = "unknown"
"""The label under which calls for unknown pipelines are counted: a caller can make up any name."""


@dataclass(frozen=True, kw_only=True)
class DefinePipeline:
    """Answers from the rules, from what is completed and from the gates.

    ``read`` and ``record`` may serve several calls in one transaction. The same question in the same state has the
    same answer.
    """

    read: Callable[[BatchId], Awaitable[BatchRecord]]
    record: Callable[[Plan], Awaitable[None]]
    rules: PipelineRules
    evaluate: EvaluateGates
    watcher: Watcher

    async def __call__(self, request: PipelineRequest, *, facts: BatchFacts) -> Plan:
        """Plan, keep the plan, and announce what is skipped.

        Raises ``PipelineBlocked`` when the batch lacks something; that answer is kept as well. Raises
        ``GatesNotEvaluated`` when a fact cannot be learnt now, and ``InvalidRequest`` for an unknown pipeline.
        """
        started = perf_counter()
        try:
            plan = await self.plan(request, facts=facts)
            refusal = plan.refusal()
            if not isinstance(refusal, GatesNotEvaluated):
                await self.record(plan)
        except SuiteError:
            self._watch(request, "failed", started)
            raise
        self._watch(request, _outcome(plan, refusal), started)
        _log(plan, _outcome(plan, refusal))
        if refusal is not None:
            for result in plan.blocked:
                self.watcher.watch_block(result.gate, pipeline=plan.pipeline.requested)
            raise refusal
        return plan

    async def plan(self, request: PipelineRequest, *, facts: BatchFacts) -> Plan:
        """The plan as it would be now; nothing is kept or announced."""
        self.rules.resolve(request.requested_pipeline, completed=frozenset())
        batch = await self.read(BatchId(request.batch_id))
        if facts.essay_count is not None:
            batch = BatchRecord(essay_count=facts.essay_count, phases=batch.phases)
        pipeline = self.rules.resolve(
            request.requested_pipeline, completed=completed_phases(batch, self.rules)
        )
        gates = await self.evaluate(pipeline, batch_id=BatchId(request.batch_id), said=facts, batch=batch)
        return make_plan(
            request,
            pipeline,
            batch=batch,
            rules=self.rules,
            gates=gates,
            essay_count=facts.essay_count,
        )

    def _watch(self, request: PipelineRequest, outcome: ResolutionOutcome, started: float) -> None:
        known = request.requested_pipeline in self.rules.pipelines
        self.watcher.watch_resolution(
            pipeline=request.requested_pipeline if known else UNKNOWN_PIPELINE,
            outcome=outcome,
            seconds=perf_counter() - started,
        )


def _outcome(plan: Plan, refusal: SuiteError | None) -> ResolutionOutcome:
    if refusal is None:
        return "success"
    return "blocked" if plan.blocked else "not_evaluated"


def _log(plan: Plan, outcome: ResolutionOutcome) -> None:
    log.info(
        "pipeline.defined" if outcome == "success" else f"pipeline.{outcome}",
        batch_id=plan.batch_id,
        correlation_id=str(plan.correlation_id),
        plan_id=str(plan.plan_id),
        requested=plan.pipeline.requested,
        phases=plan.pipeline.phases,
        skipped=plan.pipeline.skipped,
        closed=[f"{gate.gate}: {gate.reason}" for gate in (*plan.blocked, *plan.unknown)],
    )
