"""Pipelines: which phases need which, and what a batch still has to go through."""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Final, NewType

from event_contracts import PhaseName

from batch_conductor.domain.errors import DependencyCycle, UnresolvableDependency

BatchId = NewType("BatchId", str)

Needs = Mapping[PhaseName, Collection[PhaseName]]
"""For each phase the phases whose results it reads."""

PHASE_NEEDS: Final[Needs] = MappingProxyType(
    {
        PhaseName.STUDENT_MATCHING: (),
        PhaseName.SPELLCHECK: (),
        PhaseName.NLP: (PhaseName.SPELLCHECK,),
        PhaseName.CJ_ASSESSMENT: (PhaseName.SPELLCHECK,),
        PhaseName.AI_FEEDBACK: (PhaseName.SPELLCHECK, PhaseName.NLP, PhaseName.CJ_ASSESSMENT),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The way to one phase: ``phases`` are still to be run, in order; ``skipped`` have their results already.

    ``needs`` says for each of ``phases`` why it comes where it comes.
    """

    requested: PhaseName
    phases: tuple[PhaseName, ...]
    skipped: tuple[PhaseName, ...]
    needs: Needs


class PipelineRules:
    """Rules that can be followed: every phase that is needed has its rule, and no phase needs itself."""

    def __init__(self, needs: Needs) -> None:
        """Raises ``UnresolvableDependency`` or ``DependencyCycle``, naming the phases."""
        self._needs = needs
        self._order = _in_order(needs)

    def resolve(self, requested: PhaseName, *, completed: Set[PhaseName]) -> Pipeline:
        """What leads to ``requested``, given what is completed; raises ``UnresolvableDependency``.

        A completed phase is not run again, nor is anything run for its sake alone.
        """
        if requested not in self._needs:
            raise UnresolvableDependency(f"no rule says what phase {requested} needs")
        leading = self._leading_to(requested, done=frozenset())
        remaining = self._leading_to(requested, done=completed)
        phases = tuple(phase for phase in self._order if phase in remaining)
        return Pipeline(
            requested=requested,
            phases=phases,
            skipped=tuple(phase for phase in self._order if phase in leading and phase in completed),
            needs={phase: self._needs[phase] for phase in phases},
        )

    def _leading_to(self, phase: PhaseName, *, done: Set[PhaseName]) -> frozenset[PhaseName]:
        if phase in done:
            return frozenset()
        earlier = (self._leading_to(need, done=done) for need in self._needs[phase])
        return frozenset({phase}).union(*earlier)


def _in_order(needs: Needs) -> tuple[PhaseName, ...]:
    for phase, needed in needs.items():
        for need in needed:
            if need not in needs:
                raise UnresolvableDependency(f"phase {phase} needs {need}, which has no rule")
    try:
        return tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        # The second argument is the circle, each phase needed by the next (Python's graphlib).
        circle: list[PhaseName] = error.args[1]
        raise DependencyCycle(
            f"phases need each other in a circle: {' → '.join(circle)}",
            details={"cycle": [*map(str, circle)]},
        ) from error
