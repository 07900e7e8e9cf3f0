"""Gates: what a batch must have before a phase may be run on it, judged on facts."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from event_contracts import GateVerdict, PhaseName


class GateName(StrEnum):
    """The prerequisites that a step can name."""

    PROMPT_ATTACHED = "prompt_attached"
    ANCHORS_REGISTERED = "anchors_registered"
    ESSAYS_READY = "essays_ready"
    BUDGET_AVAILABLE = "budget_available"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFacts:
    """What the caller says of the batch; None where nothing is said."""

    prompt_attached: bool | None = None
    prompt_storage_id: str | None = None
    assignment_id: str | None = None
    grades_requested: bool = False
    essays_ready: bool | None = None
    essay_count: int | None = None
    max_cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What one gate says; ``phases`` stand behind it. Reason and remedy are empty where it is open."""

    gate: GateName
    verdict: GateVerdict
    phases: tuple[PhaseName, ...]
    reason: str = ""
    what_to_do: str = ""
    retry_after: float = 0.0
    """Seconds after which asking again makes sense; of a gate that could not be evaluated."""


class FactUnknown(Exception):
    """A fact is not available now: the service that knows it does not answer, or gives an unusable answer."""

    def __init__(self, reason: str, *, what_to_do: str = "ask again", retry_after: float = 5.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.what_to_do = what_to_do
        self.retry_after = retry_after
