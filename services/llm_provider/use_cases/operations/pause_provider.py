"""Pause a provider by hand: it is not called until it is resumed; its requests wait."""

from collections.abc import Collection
from dataclasses import dataclass

import structlog
from event_contracts import NotFound

from llm_provider.ports import Store, WakeProviders

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class PauseProvider:
    """The operator's switch; all workers and replicas follow it from their next step on.

    Requests still expire while their provider is paused.
    """

    store: Store
    known: Collection[str]
    wake_judges: WakeProviders

    async def pause(self, provider: str, *, by: str, reason: str) -> None:
        """Pause; again with another reason changes the reason. Raises ``NotFound``."""
        self._require_known(provider)
        async with self.store.transaction() as transaction:
            await transaction.meters.pause(provider, by=by, reason=reason)
        log.warning("provider.paused", provider=provider, by=by, reason=reason)

    async def resume(self, provider: str, *, by: str) -> None:
        """Resume; one that is not paused stays as it is. Raises ``NotFound``."""
        self._require_known(provider)
        async with self.store.transaction() as transaction:
            await transaction.meters.resume(provider)
        self.wake_judges(provider)
        log.warning("provider.resumed", provider=provider, by=by)

    def _require_known(self, provider: str) -> None:
        if provider not in self.known:
            raise NotFound(f"there is no provider {provider!r}: use one of {', '.join(sorted(self.known))}")
