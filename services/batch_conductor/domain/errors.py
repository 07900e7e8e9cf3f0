"""What the conductor refuses, each with its code in the contract.

SuiteError
├── UnresolvableDependency  BCS_PIPELINE_DEPENDENCY_RESOLUTION_FAILED  422  the rules name a phase that is not there
├── DependencyCycle         BCS_PIPELINE_DEPENDENCY_CYCLE_DETECTED     500  phases wait for each other
├── PipelineBlocked         BCS_PIPELINE_COMPATIBILITY_FAILED          422  the batch lacks something
└── Unavailable
    └── GatesNotEvaluated   SERVICE_UNAVAILABLE                        503  a fact cannot be learnt now
"""

from collections.abc import Sequence

from event_contracts import ErrorCode, SuiteError, Unavailable


class UnresolvableDependency(SuiteError):
    """The rules need, list or leave out a phase so that no pipeline could be followed; ``problems`` says where."""

    code = ErrorCode.BCS_PIPELINE_DEPENDENCY_RESOLUTION_FAILED

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems), details={"problems": [*problems]})
        self.problems = tuple(problems)


class DependencyCycle(SuiteError):
    """Phases depend on each other in a cycle: none of them could ever start."""

    code = ErrorCode.BCS_PIPELINE_DEPENDENCY_CYCLE_DETECTED


class PipelineBlocked(SuiteError):
    """The batch cannot go through the pipeline as it is; the details say which gate, why, and what to do."""

    code = ErrorCode.BCS_PIPELINE_COMPATIBILITY_FAILED


class GatesNotEvaluated(Unavailable):
    """A gate is neither open nor blocked: the fact that it needs is not available now."""
