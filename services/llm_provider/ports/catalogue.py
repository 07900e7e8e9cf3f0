"""Which judges there are, and what they cost."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from event_contracts import LLMConfigOverrides

from llm_provider.domain.costs.cost import Cost
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import Limits
from llm_provider.domain.requests.prompt import JudgeParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiringModel:
    """A model that its vendor will soon refuse."""

    provider: str
    model: str
    days_left: int


class Catalogue(Protocol):
    """Which judges there are, which of them this installation can reach, and what they cost."""

    def resolve(self, overrides: LLMConfigOverrides | None) -> JudgeParameters:
        """Model and parameters for a request; raises ``InvalidRequest`` naming the valid choices."""
        ...

    def check_region(self, *, provider: str, allowed: Collection[str] | None) -> None:
        """Raise ``InvalidRequest`` where the provider's endpoint is outside what caller and installation allow."""
        ...

    def limits(self, *, provider: str, model: str) -> Limits:
        """How a model may be called, until its vendor's headers say so."""
        ...

    def has_batch_api(self, *, provider: str, model: str) -> bool:
        """True where relaxed requests can go through the vendor's batch API."""
        ...

    def cost(self, *, provider: str, model: str, usage: Usage, at: datetime, in_batch: bool = False) -> Cost:
        """What a call costs that was made at ``at``."""
        ...

    def models(self) -> Sequence[tuple[str, str]]:
        """(provider, model) of everything that can be called here and is known by name."""
        ...

    def retiring(self, *, within_days: int) -> Sequence[RetiringModel]:
        """Models that can be called here, but not for much longer."""
        ...
