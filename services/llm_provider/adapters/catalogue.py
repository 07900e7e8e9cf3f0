"""Judges, parameters and prices from the model manifest, narrowed to what this installation can reach."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from event_contracts import InvalidLlmConfig, LLMConfigOverrides, LLMProvider
from model_manifest import TokenCounts, get_model, price, validate_llm_overrides

from llm_provider.domain.request import JudgeParameters, Usage

MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPrice:
    """What the simulated judge pretends to cost, in US dollars a million tokens."""

    input: Decimal
    output: Decimal

    def of(self, usage: Usage) -> Decimal:
        """The price of one call."""
        return (self.input * usage.input + self.output * usage.output) / MILLION


class ManifestCatalogue:
    """``configured`` names the providers that have what they need (a key, an address, a file)."""

    def __init__(
        self, *, default_provider: str, configured: Collection[str], simulated_price: SimulatedPrice
    ) -> None:
        self._default_provider = default_provider
        self._configured = configured
        self._simulated_price = simulated_price

    def resolve(self, overrides: LLMConfigOverrides | None) -> JudgeParameters:
        resolved = validate_llm_overrides(overrides, default_provider=self._default_provider)
        if resolved.provider not in self._configured:
            raise InvalidLlmConfig(
                f"{resolved.provider} is not set up here: set its key or address (see the settings"
                f" reference), or use one of {', '.join(sorted(self._configured))}",
                details={"configured_providers": [*sorted(self._configured)]},
            )
        return JudgeParameters(
            provider=resolved.provider,
            model=resolved.model,
            temperature=resolved.temperature,
            max_tokens=resolved.max_tokens,
            reasoning_effort=resolved.reasoning_effort,
            output_verbosity=resolved.output_verbosity,
            structured_output=resolved.structured_output,
        )

    def cost(self, *, provider: str, model: str, usage: Usage) -> tuple[Decimal, str]:
        if provider == LLMProvider.MOCK:
            return self._simulated_price.of(usage), "simulated"
        counts = TokenCounts(
            input=usage.input,
            output=usage.output,
            cache_read=usage.cache_read,
            cache_write=usage.cache_write,
        )
        found = price(get_model(provider, model), counts)
        return found.amount, found.price_list
