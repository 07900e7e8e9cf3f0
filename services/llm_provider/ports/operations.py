"""What operators see and control, and the rules for where results may go."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from llm_provider.domain.calls.call import Call
from llm_provider.domain.costs.cost import CostLimits
from llm_provider.domain.costs.spending import MeterView, PeriodCost
from llm_provider.ports.catalogue import RetiringModel
from llm_provider.ports.storage import StateCount


class CallbackRules(Protocol):
    """Where results may be sent over HTTP."""

    def check(self, url: str) -> None:
        """Raise ``InvalidRequest`` unless results may be sent there."""
        ...


class StateWatcher(Protocol):
    """Shows the state of the queue and of the meters to operators."""

    def watch(
        self,
        *,
        counts: Sequence[StateCount],
        meters: Sequence[MeterView],
        retiring: Sequence[RetiringModel],
        now: datetime,
    ) -> None:
        """Replace what was shown before."""
        ...

    def watch_spending(self, costs: Sequence[PeriodCost], *, limits: CostLimits) -> None:
        """Replace what was shown of today's and this month's spending, and of its limits."""
        ...


class CallWatcher(Protocol):
    """Counts calls, for operators."""

    def watch(self, call: Call) -> None:
        """Count one call."""
        ...

    def watch_wait(self, provider: str, seconds: float) -> None:
        """A worker with free slots rests for so long because a limit of the vendor lets no request through."""
        ...
