"""Show operators the state of the queue, of the meters, and models that are about to retire."""

from dataclasses import dataclass

from llm_provider.ports import Catalogue, StateWatcher, Store

NOTICE_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class MeasureState:
    """One step of the measuring worker."""

    store: Store
    catalogue: Catalogue
    watcher: StateWatcher

    async def __call__(self) -> None:
        """Measure; there is never more to do at once."""
        async with self.store.transaction() as transaction:
            counts = await transaction.queue.counts()
            meters = await transaction.meters.views()
        retiring = self.catalogue.retiring(within_days=NOTICE_DAYS)
        self.watcher.watch(counts=counts, meters=meters, retiring=retiring)
        return
