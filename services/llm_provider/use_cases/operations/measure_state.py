"""Show operators the state of the queue, of the meters, and models that are about to retire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from llm_provider.domain.costs.cost import CostLimits
from llm_provider.ports import Catalogue, StateWatcher, Store

NOTICE_DAYS = 365
"""How many days before its announced retirement a model is shown."""


@dataclass(frozen=True, kw_only=True)
class MeasureState:
    """One step of the measuring worker."""

    store: Store
    catalogue: Catalogue
    watcher: StateWatcher
    limits: CostLimits
    providers: Sequence[str]

    async def __call__(self) -> None:
        """Measure; one step is always enough."""
        async with self.store.transaction() as transaction:
            counts = await transaction.queue.counts()
            meters = await transaction.meters.views()
            costs = await transaction.ledger.period_costs(self.providers)
        retiring = self.catalogue.retiring(within_days=NOTICE_DAYS)
        self.watcher.watch(counts=counts, meters=meters, retiring=retiring, now=datetime.now(UTC))
        self.watcher.watch_spending(costs, limits=self.limits)
