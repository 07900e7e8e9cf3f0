"""Accept a single comparison together with those that arrive at the same time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from event_contracts import ComparisonAccepted, ComparisonBatchItem, SuiteError

from llm_provider.use_cases.requests.accept_comparisons import Outcome


@dataclass(frozen=True, kw_only=True)
class AcceptComparison:
    """``gather`` decides a set of items at once and gives each its own outcome."""

    gather: Callable[[ComparisonBatchItem], Awaitable[Outcome]]

    async def __call__(self, item: ComparisonBatchItem) -> ComparisonAccepted:
        """Queue one request; raises the error that refuses it."""
        outcome = await self.gather(item)
        if isinstance(outcome, SuiteError):
            raise outcome
        return outcome
