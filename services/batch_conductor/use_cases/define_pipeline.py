"""Define a pipeline: what a batch still has to go through to reach a phase, or why it may not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from event_contracts import PipelineRequest

from batch_conductor.domain.gates import BatchFacts, Gate
from batch_conductor.domain.pipeline import BatchId, PipelineRules
from batch_conductor.domain.plan import Plan, make_plan, skipped_event
from batch_conductor.ports import Store, Transaction

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class DefinePipeline:
    """Answers from the rules and from what is completed; the same question in the same state has one answer."""

    store: Store
    rules: PipelineRules
    gates: Sequence[Gate]

    async def __call__(self, request: PipelineRequest, *, facts: BatchFacts) -> Plan:
        """Raises ``PipelineBlocked`` when the batch lacks something; that answer is kept as well."""
        async with self.store.transaction() as transaction:
            completed = await transaction.completed_phases(BatchId(request.batch_id))
            pipeline = self.rules.resolve(request.requested_pipeline, completed=completed)
            plan = make_plan(request, pipeline, facts=facts, gates=self.gates)
            await transaction.add_plan(plan)
            if not plan.obstacles:
                await _announce_skips(transaction, plan)
        _log(plan)
        if plan.obstacles:
            raise plan.blocked()
        return plan


async def _announce_skips(transaction: Transaction, plan: Plan) -> None:
    now = datetime.now(UTC)
    phases = await transaction.first_skips(plan)
    transaction.announce([skipped_event(plan, phase, now=now) for phase in phases])


def _log(plan: Plan) -> None:
    log.info(
        "pipeline.blocked" if plan.obstacles else "pipeline.defined",
        batch_id=plan.batch_id,
        correlation_id=str(plan.correlation_id),
        requested=plan.pipeline.requested,
        phases=plan.pipeline.phases,
        skipped=plan.pipeline.skipped,
        obstacles=[obstacle.reason for obstacle in plan.obstacles],
    )
