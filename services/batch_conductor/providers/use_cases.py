"""The use cases of the service."""

from collections.abc import Sequence

from dishka import Provider, Scope, provide
from service_kit.work.coalescing import Coalesce

from batch_conductor.domain.pipeline import PipelineRules
from batch_conductor.domain.plan import Plan
from batch_conductor.ports import Facts, Store, Watcher
from batch_conductor.use_cases.complete_phase import CompletePhase
from batch_conductor.use_cases.define_pipeline import DefinePipeline
from batch_conductor.use_cases.evaluate_gates import EvaluateGates
from batch_conductor.use_cases.read_phases import ReadPhases
from batch_conductor.use_cases.record_outcomes import RecordOutcomes
from batch_conductor.use_cases.record_plans import ReadBatches, RecordPlans


class UseCaseProvider(Provider):
    """The verbs."""

    scope = Scope.APP

    record = provide(RecordOutcomes)
    read = provide(ReadPhases)
    read_batches = provide(ReadBatches)
    complete = provide(CompletePhase)

    @provide
    def gates(self, rules: PipelineRules, facts: Facts, watcher: Watcher) -> EvaluateGates:
        return EvaluateGates(rules=rules, facts=facts, watcher=watcher)

    @provide
    def define(
        self,
        store: Store,
        read: ReadBatches,
        rules: PipelineRules,
        evaluate: EvaluateGates,
        watcher: Watcher,
    ) -> DefinePipeline:
        record_plans = RecordPlans(store=store)

        async def record(plans: Sequence[Plan]) -> Sequence[None]:
            await record_plans(plans)
            return [None] * len(plans)

        return DefinePipeline(
            read=Coalesce(handle=read),
            record=Coalesce(handle=record),
            rules=rules,
            evaluate=evaluate,
            watcher=watcher,
        )
