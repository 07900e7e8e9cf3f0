"""Judges, parameters and prices from the model manifest, narrowed to what this installation can reach."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from event_contracts import InvalidLlmConfig, LLMConfigOverrides, LLMProvider
from model_manifest import (
    ANY_MODEL,
    ResolvedModel,
    TokenCounts,
    get_model,
    list_models,
    price,
    retiring_within,
    validate_llm_overrides,
)

from llm_provider.domain.meters.limits import Limits
from llm_provider.domain.costs.cost import Cost
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.requests.prompt import JudgeParameters
from llm_provider.ports import RetiringModel

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
    """``configured`` names the providers that have what they need (a key, an address, a file).

    ``own_limits`` are those that somebody has set for a provider or a ``provider/model``; ``self_hosted_output`` is
    how a self-hosted server is held to the answer's form.
    """

    def __init__(
        self,
        *,
        default_provider: str,
        configured: Collection[str],
        batch_providers: Collection[str],
        simulated_price: SimulatedPrice,
        own_limits: Mapping[str, Limits],
        self_hosted_output: str,
    ) -> None:
        self._default_provider = default_provider
        self._configured = configured
        self._batch_providers = batch_providers
        self._simulated_price = simulated_price
        self._own_limits = own_limits
        self._self_hosted_output = self_hosted_output

    def resolve(self, overrides: LLMConfigOverrides | None) -> JudgeParameters:
        if overrides is not None and overrides.judge_rubric_override is not None:
            raise InvalidLlmConfig(
                "judge_rubric_override is for whoever writes the prompt: put the rubric into it, and leave this out"
            )
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
            no_reasoning=resolved.no_reasoning,
            output_verbosity=resolved.output_verbosity,
            structured_output=self._output(resolved),
            cache_breakpoints=resolved.cache_breakpoints,
        )

    def _output(self, resolved: ResolvedModel) -> str:
        is_self_hosted = resolved.provider == LLMProvider.OPENAI_COMPATIBLE
        return self._self_hosted_output if is_self_hosted else resolved.structured_output

    def limits(self, *, provider: str, model: str) -> Limits:
        usual = get_model(provider, model).limits
        limits = Limits(
            requests_per_minute=usual.requests_per_minute,
            input_tokens_per_minute=usual.input_tokens_per_minute,
            output_tokens_per_minute=usual.output_tokens_per_minute,
            concurrency=usual.concurrency,
        )
        own = self._own_limits.get(f"{provider}/{model}") or self._own_limits.get(provider)
        return limits if own is None else limits.replaced_by(own)

    def has_batch_api(self, *, provider: str, model: str) -> bool:
        return provider in self._batch_providers and get_model(provider, model).batch_api

    def cost(self, *, provider: str, model: str, usage: Usage, at: datetime, in_batch: bool = False) -> Cost:
        if provider == LLMProvider.MOCK:
            return Cost(usd=self._simulated_price.of(usage), price_list="simulated")
        counts = TokenCounts(
            input=usage.input,
            output=usage.output,
            cache_read=usage.cache_read,
            cache_write=usage.cache_write,
            cache_write_1h=usage.cache_write_1h,
        )
        found = price(get_model(provider, model), counts, at=at, batch=in_batch)
        return Cost(usd=found.amount, price_list=found.price_list, warning=found.warning)

    def models(self) -> Sequence[tuple[str, str]]:
        return [
            (str(model.provider), model.id)
            for model in list_models()
            if model.provider in self._configured and model.id != ANY_MODEL
        ]

    def retiring(self, *, within_days: int) -> Sequence[RetiringModel]:
        return [
            RetiringModel(
                provider=str(retirement.model.provider),
                model=retirement.model.id,
                days_left=retirement.days_left,
            )
            for retirement in retiring_within(within_days)
            if retirement.model.provider in self._configured
        ]
