"""Read the state of the providers: whether and how they may be called, and today's calls."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from llm_provider.domain.costs.spending import ProviderStatus
from llm_provider.ports import Store


@dataclass(frozen=True, kw_only=True)
class ReadProviders:
    """Shows every provider that the suite knows, in the order of ``known``."""

    store: Store
    known: Sequence[str]
    configured: Collection[str]
    needs: Mapping[str, str]

    async def __call__(self) -> Sequence[ProviderStatus]:
        """The providers."""
        async with self.store.transaction() as transaction:
            meters = await transaction.meters.views()
            pauses = {pause.provider: pause for pause in await transaction.meters.pauses()}
            today = await transaction.ledger.today()
        return [
            ProviderStatus(
                provider=provider,
                is_configured=provider in self.configured,
                needs=self.needs.get(provider, ""),
                pause=pauses.get(provider),
                meters=[meter for meter in meters if meter.provider == provider],
                today=today.get(provider),
            )
            for provider in self.known
        ]
