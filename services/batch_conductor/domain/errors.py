"""What the conductor refuses, each with its code in the contract.

SuiteError
├── UnresolvableDependency  BCS_PIPELINE_DEPENDENCY_RESOLUTION_FAILED  422  the rules lack a phase
├── DependencyCycle         BCS_PIPELINE_DEPENDENCY_CYCLE_DETECTED     500  phases wait for each other
└── PipelineBlocked         BCS_PIPELINE_COMPATIBILITY_FAILED          409  the batch lacks something
"""

from event_contracts import ErrorCode, SuiteError


class UnresolvableDependency(SuiteError):
    """A phase is asked for, or needed by another, and no rule says what it needs itself."""

    code = ErrorCode.BCS_PIPELINE_DEPENDENCY_RESOLUTION_FAILED


class DependencyCycle(SuiteError):
    """Phases need each other in a circle: none of them could ever start."""

    code = ErrorCode.BCS_PIPELINE_DEPENDENCY_CYCLE_DETECTED


class PipelineBlocked(SuiteError):
    """The batch cannot go through the pipeline as it is; ``details.obstacles`` says what to do."""

    code = ErrorCode.BCS_PIPELINE_COMPATIBILITY_FAILED
