"""The vendors of models: what goes to each over the wire, live or in a batch job, and what comes back."""

from llm_provider.adapters.vendors.anthropic.messages import AnthropicJudge
from llm_provider.adapters.vendors.anthropic.batches import AnthropicBatches
from llm_provider.adapters.vendors.google.generate_content import GoogleJudge
from llm_provider.adapters.vendors.google.batches import GoogleBatches
from llm_provider.adapters.vendors.openai.responses import OpenAiJudge
from llm_provider.adapters.vendors.openai.batches import OpenAiBatches
from llm_provider.adapters.vendors.openai_compatible.judge import OpenAiCompatibleJudge
from llm_provider.adapters.vendors.openrouter.judge import OpenRouterJudge

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
