"""The vendors of models: what goes to each over the wire, live or in a batch job, and what comes back."""

from llm_provider.adapters.vendors.anthropic import AnthropicJudge
from llm_provider.adapters.vendors.anthropic_batches import AnthropicBatches
from llm_provider.adapters.vendors.google import GoogleJudge
from llm_provider.adapters.vendors.google_batches import GoogleBatches
from llm_provider.adapters.vendors.openai import OpenAiJudge
from llm_provider.adapters.vendors.openai_batches import OpenAiBatches
from llm_provider.adapters.vendors.openai_compatible import OpenAiCompatibleJudge
from llm_provider.adapters.vendors.openrouter import OpenRouterJudge

__all__ = [
    "AnthropicBatches",
    "AnthropicJudge",
    "GoogleBatches",
    "GoogleJudge",
    "OpenAiBatches",
    "OpenAiCompatibleJudge",
    "OpenAiJudge",
    "OpenRouterJudge",
]
