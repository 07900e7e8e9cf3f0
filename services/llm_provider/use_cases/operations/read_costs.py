"""Read what was called and paid, for whom."""

from collections.abc import Sequence
from dataclasses import dataclass

from llm_provider.domain.costs.spending import CostQuery, Total
from llm_provider.ports import Store


@dataclass(frozen=True, kw_only=True)
class ReadCosts:
    """Sums up calls as the query says, the most expensive group first."""

    store: Store

    async def __call__(self, query: CostQuery) -> Sequence[Total]:
        """The totals; a group without calls is left out."""
        async with self.store.transaction() as transaction:
            return await transaction.ledger.totals(query)
