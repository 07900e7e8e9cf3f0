"""What operators see and control, and the rules for where results may go."""

from collections.abc import Sequence
from typing import Protocol

from llm_provider.domain.calls.call import Call
from llm_provider.domain.costs.spending import MeterView
from llm_provider.ports.catalogue import RetiringModel
from llm_provider.ports.storage import StateCount


class ProviderSwitch(Protocol):
    """The operator's switch for each provider; raises ``NotFound`` for an unknown provider."""

    async def pause(self, provider: str, *, by: str, reason: str) -> None:
        """Stop calling a provider until further notice."""
        ...

    async def resume(self, provider: str, *, by: str) -> None:
        """Call it again."""
        ...


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
    ) -> None:
        """Replace what was shown before."""
        ...


class CallWatcher(Protocol):
    """Counts calls, for operators."""

    def watch(self, call: Call) -> None:
        """Count one call."""
        ...
