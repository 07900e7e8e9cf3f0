"""Which models can judge and what a comparison will cost, from the model manifest."""

from decimal import Decimal

from event_contracts import LLMConfigOverrides
from model_manifest import TokenCounts, get_model, price, validate_llm_overrides

from cj_assessment.domain.batch import Judge

# A pair of essays of 400 words with task and rubric, and a short answer: enough for a first estimate, which
# the mean of the real costs replaces as soon as there are any.
EXPECTED_INPUT_TOKENS = 2_000
EXPECTED_OUTPUT_TOKENS = 120


class ManifestJudges:
    """Resolves a request's overrides against the manifest and this installation's default judge."""

    def __init__(self, *, default_provider: str, default_model: str | None) -> None:
        self._default_provider = default_provider
        self._default_model = default_model

    def resolve(self, overrides: LLMConfigOverrides | None) -> Judge:
        resolved = validate_llm_overrides(
            overrides, default_provider=self._default_provider, default_model=self._default_model
        )
        return Judge(
            provider=resolved.provider,
            model=resolved.model,
            estimated_cost_usd=_expected_cost(resolved.provider, resolved.model),
        )


def _expected_cost(provider: str, model: str) -> Decimal:
    usage = TokenCounts(input=EXPECTED_INPUT_TOKENS, output=EXPECTED_OUTPUT_TOKENS)
    return price(get_model(provider, model), usage).amount
