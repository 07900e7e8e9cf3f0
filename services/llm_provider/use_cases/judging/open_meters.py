"""Give the meters the limits that are set now, when the service starts."""

from dataclasses import dataclass

from llm_provider.ports import Catalogue, Store


@dataclass(frozen=True, kw_only=True)
class OpenMeters:
    """Makes a meter for every model that can be called here, and for those that requests wait for already.

    A vendor's headers correct them from the first call on.
    """

    store: Store
    catalogue: Catalogue
    configured: frozenset[str]

    async def __call__(self) -> None:
        """Open them; many replicas may."""
        async with self.store.transaction() as transaction:
            waiting = [
                model for model in await transaction.queue.open_models() if model[0] in self.configured
            ]
            models = sorted({*self.catalogue.models(), *waiting})
            await transaction.meters.set_limits(
                {
                    (provider, model): self.catalogue.limits(provider=provider, model=model)
                    for provider, model in models
                }
            )
