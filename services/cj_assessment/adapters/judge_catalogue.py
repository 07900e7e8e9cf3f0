"""Which models can judge and what a comparison may cost, from the model manifest."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from event_contracts import MAX_SCHEMA_TOKENS, InvalidLlmConfig, LLMConfigOverrides, LLMProvider, PanelJudge
from model_manifest import (
    ResolvedModel,
    SimulatedPrice,
    TokenCounts,
    get_model,
    price,
    validate_llm_overrides,
)

from cj_assessment.domain.batch import Judge

# A pair of essays of 400 words with task and rubric, and a short answer: enough to say what a comparison will
# probably cost before one was judged.
EXPECTED_INPUT_TOKENS = 2_000
EXPECTED_OUTPUT_TOKENS = 120


class ManifestJudges:
    """Resolves a request's overrides against the manifest and this installation's default judge."""

    def __init__(
        self, *, default_provider: str, default_model: str | None, simulated_price: SimulatedPrice
    ) -> None:
        self._default_provider = default_provider
        self._default_model = default_model
        self._simulated_price = simulated_price

    def resolve(
        self, overrides: LLMConfigOverrides | None, *, panel: Sequence[PanelJudge] | None
    ) -> tuple[Judge, ...]:
        asked = overrides or LLMConfigOverrides()
        if panel is None:
            return (self._judge(self._resolved(asked), share=1.0),)
        if asked.provider_override is not None or asked.model_override is not None:
            raise InvalidLlmConfig(
                "name either a judge_panel or model_override and provider_override, not both"
            )
        return tuple(
            self._judge(
                self._resolved(
                    asked.model_copy(
                        update={"provider_override": judge.provider, "model_override": judge.model}
                    )
                ),
                share=judge.share,
            )
            for judge in panel
        )

    def with_max_cost(self, judge: Judge, overrides: LLMConfigOverrides, *, longest_prompt: int) -> Judge:
        read = longest_prompt + MAX_SCHEMA_TOKENS
        usage = TokenCounts(input=read, cache_write=read, output=self._resolved(overrides).max_tokens)
        return replace(judge, cap_usd=self._price(judge.provider, judge.model, usage))

    def _resolved(self, overrides: LLMConfigOverrides) -> ResolvedModel:
        return validate_llm_overrides(
            overrides, default_provider=self._default_provider, default_model=self._default_model
        )

    def _judge(self, resolved: ResolvedModel, *, share: float) -> Judge:
        usage = TokenCounts(input=EXPECTED_INPUT_TOKENS, output=EXPECTED_OUTPUT_TOKENS)
        return Judge(
            provider=resolved.provider,
            model=resolved.model,
            share=share,
            expected_cost_usd=self._price(resolved.provider, resolved.model, usage),
        )

    def _price(self, provider: str, model: str, usage: TokenCounts) -> Decimal | None:
        if provider == LLMProvider.MOCK:
            return self._simulated_price.of(usage)
        return price(get_model(provider, model), usage).amount
