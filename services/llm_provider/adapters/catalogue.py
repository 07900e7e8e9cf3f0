"""Judges, parameters and prices from the model manifest, narrowed to what this installation can reach."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from event_contracts import InvalidLlmConfig, LLMConfigOverrides
from model_manifest import (
    ANY_MODEL,
    TokenCounts,
    check_region,
    get_model,
    list_models,
    price,
    region_of,
    retiring_within,
    validate_llm_overrides,
)
from model_manifest.pricing import NO_PRICE_LIST

from llm_provider.adapters.vendor_api.registration import ConnectedVendor
from llm_provider.domain.calls.errors import ProviderNotConfigured
from llm_provider.domain.costs.cost import Cost
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import Limits
from llm_provider.domain.requests.prompt import JudgeParameters
from llm_provider.ports import RetiringModel

OWN_PRICE_LIST = "simulated"
NO_COUNT = "uncounted"


class ManifestCatalogue:
    """``vendors`` are the providers that have what they need (a key, an address, a file).

    ``needs`` says, by provider, what to set for one that has not; ``own_limits`` are those that the operator has set
    for a provider or a ``provider/model``. ``vendor_regions`` says where endpoints are that the manifest does not
    know; texts may be sent to ``allowed_regions`` alone.
    """

    def __init__(
        self,
        *,
        default_provider: str,
        vendors: Mapping[str, ConnectedVendor],
        needs: Mapping[str, str],
        own_limits: Mapping[str, Limits],
        vendor_regions: Mapping[str, str] | None = None,
        allowed_regions: Collection[str] | None = None,
    ) -> None:
        self._default_provider = default_provider
        self._vendors = vendors
        self._needs = needs
        self._own_limits = own_limits
        self._allowed_regions = allowed_regions
        self._regions = {
            name: region_of(name, url=vendor.url, named=vendor_regions) for name, vendor in vendors.items()
        }

    def resolve(self, overrides: LLMConfigOverrides | None) -> JudgeParameters:
        if overrides is not None and overrides.judge_rubric_override is not None:
            raise InvalidLlmConfig(
                "judge_rubric_override is for the writer of the prompt: put the rubric into it, and leave this out"
            )
        resolved = validate_llm_overrides(overrides, default_provider=self._default_provider)
        vendor = self._vendors.get(resolved.provider)
        if vendor is None:
            configured = sorted(self._vendors)
            needs = self._needs.get(resolved.provider, "set its key or address")
            raise ProviderNotConfigured(
                f"{resolved.provider} has no account here: {needs} and restart the LLM Provider,"
                f" or use one of {', '.join(configured)}",
                configured=configured,
            )
        return JudgeParameters(
            provider=resolved.provider,
            model=resolved.model,
            temperature=resolved.temperature,
            max_tokens=resolved.max_tokens,
            reasoning_effort=resolved.reasoning_effort,
            no_reasoning=resolved.no_reasoning,
            output_verbosity=resolved.output_verbosity,
            structured_output=vendor.structured_output or resolved.structured_output,
            cache_breakpoints=resolved.cache_breakpoints,
            token_probabilities=resolved.token_probabilities and vendor.token_probabilities,
        )

    def check_region(self, *, provider: str, allowed: Collection[str] | None) -> None:
        for regions in (self._allowed_regions, allowed):
            check_region(provider, region=self._regions[provider], allowed=regions)

    def limits(self, *, provider: str, model: str) -> Limits:
        usual = get_model(provider, model).limits
        limits = Limits(
            requests_per_minute=usual.requests_per_minute,
            input_tokens_per_minute=usual.input_tokens_per_minute,
            output_tokens_per_minute=usual.output_tokens_per_minute,
            tokens_per_minute=usual.tokens_per_minute,
            concurrency=usual.concurrency,
        )
        own = self._own_limits.get(f"{provider}/{model}") or self._own_limits.get(provider)
        return limits if own is None else limits.replaced_by(own)

    def has_batch_api(self, *, provider: str, model: str) -> bool:
        vendor = self._vendors.get(provider)
        return vendor is not None and vendor.batch is not None and get_model(provider, model).batch_api

    def cost(self, *, provider: str, model: str, usage: Usage, at: datetime, in_batch: bool = False) -> Cost:
        vendor = self._vendors.get(provider)
        if vendor is not None and vendor.price is not None:
            return Cost(usd=vendor.price(usage), price_list=OWN_PRICE_LIST)
        if vendor is not None and vendor.is_free:
            return Cost(usd=Decimal(0), price_list=NO_PRICE_LIST)
        judge_model = get_model(provider, model)
        if not (usage.is_known or judge_model.free):
            return Cost(
                usd=None,
                price_list=NO_COUNT,
                warning=f"{provider}/{model} did not say how many tokens the call took",
            )
        counts = TokenCounts(
            input=usage.input,
            output=usage.output,
            cache_read=usage.cache_read,
            cache_write=usage.cache_write,
            cache_write_1h=usage.cache_write_1h,
        )
        found = price(judge_model, counts, at=at, batch=in_batch)
        return Cost(usd=found.amount, price_list=found.price_list, warning=found.warning)

    def models(self) -> Sequence[tuple[str, str]]:
        return [
            (str(model.provider), model.id)
            for model in list_models()
            if model.provider in self._vendors and model.id != ANY_MODEL
        ]

    def retiring(self, *, within_days: int) -> Sequence[RetiringModel]:
        return [
            RetiringModel(
                provider=str(retirement.model.provider),
                model=retirement.model.id,
                days_left=retirement.days_left,
            )
            for retirement in retiring_within(within_days)
            if retirement.model.provider in self._vendors
        ]
