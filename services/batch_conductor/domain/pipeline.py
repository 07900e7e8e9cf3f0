"""Pipelines: which phases need which, and what a batch still has to go through."""

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from graphlib import CycleError
from typing import NewType

from event_contracts import InvalidRequest, PhaseName

from batch_conductor.domain.errors import DependencyCycle, UnresolvableDependency
from batch_conductor.domain.gates import GateName
from batch_conductor.domain.graph import closure, execution_order

BatchId = NewType("BatchId", str)
PipelineName = NewType("PipelineName", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One phase: who runs it and on which event, whose results it reads, and what a batch must have before it."""

    name: PhaseName
    service_name: str
    event_type: str
    event_data_model: str
    depends_on: tuple[PhaseName, ...] = ()
    prerequisites: tuple[GateName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The way to what was requested: ``phases`` are still to be run, in order; ``skipped`` have their results."""

    requested: PipelineName
    phases: tuple[PhaseName, ...]
    skipped: tuple[PhaseName, ...]


class PipelineRules:
    """Rules that can be followed: every name is known, no phase needs itself, and every phase is in a pipeline."""

    def __init__(
        self, steps: Sequence[Step], pipelines: Mapping[PipelineName, Collection[PhaseName]]
    ) -> None:
        """Raises ``UnresolvableDependency`` or ``DependencyCycle``; both name the place in the rules."""
        self.steps = {step.name: step for step in steps}
        self.pipelines = dict(pipelines)
        self._needs = {step.name: step.depends_on for step in steps}
        if problems := [*self._unknown_names(steps)]:
            raise UnresolvableDependency(problems)
        order = _in_order(self._needs)
        self._ways = {
            name: tuple(phase for phase in order if phase in closure(self._needs, phases))
            for name, phases in pipelines.items()
        }
        if problems := [*self._unreachable_phases()]:
            raise UnresolvableDependency(problems)

    def resolve(self, requested: str, *, completed: Set[PhaseName]) -> Pipeline:
        """The dependency closure of ``requested`` less what is completed; ``InvalidRequest`` for an unknown name."""
        name = PipelineName(requested)
        if name not in self._ways:
            raise InvalidRequest(
                f"requested_pipeline: unknown pipeline; choose {', '.join(map(repr, self._ways))}"
            )
        way = self._ways[name]
        return Pipeline(
            requested=name,
            phases=tuple(phase for phase in way if phase not in completed),
            skipped=tuple(phase for phase in way if phase in completed),
        )

    def upstream(self, phase: PhaseName) -> Set[PhaseName]:
        """Every phase whose results the phase needs, directly or not; none for a phase without a rule."""
        return closure(self._needs, self._needs.get(phase, ()))

    def gates_of(self, phases: Sequence[PhaseName]) -> Mapping[GateName, tuple[PhaseName, ...]]:
        """The gates before these phases, each with the phases that it stands before."""
        found: dict[GateName, tuple[PhaseName, ...]] = {}
        for phase in phases:
            for gate in self.steps[phase].prerequisites:
                found[gate] = (*found.get(gate, ()), phase)
        return found

    def _unknown_names(self, steps: Sequence[Step]) -> Iterator[str]:
        for place, step in enumerate(steps):
            for need in step.depends_on:
                if need not in self.steps:
                    yield f"steps.{place}.depends_on: {step.name} needs {need}, which is not a step"
        for name, phases in self.pipelines.items():
            for phase in phases:
                if phase not in self.steps:
                    yield f"pipelines.{name}.phases: {phase} is not a step"

    def _unreachable_phases(self) -> Iterator[str]:
        reached = {phase for way in self._ways.values() for phase in way}
        for place, name in enumerate(self.steps):
            if name not in reached:
                yield f"steps.{place}: {name} is not in any pipeline, so it cannot be requested"


def _in_order(needs: Mapping[PhaseName, Collection[PhaseName]]) -> tuple[PhaseName, ...]:
    try:
        return execution_order(needs)
    except CycleError as error:
        # The second argument is the cycle, each phase needed by the next (Python's graphlib).
        cycle: list[PhaseName] = error.args[1]
        raise DependencyCycle(
            f"steps.depends_on: phases depend on each other in a cycle: {' → '.join(cycle)}",
            details={"cycle": [*map(str, cycle)]},
        ) from error
