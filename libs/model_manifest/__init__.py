"""Which models may judge, with which parameters, at what price."""

from model_manifest.manifest import (
    Retirement,
    default_model,
    get_model,
    list_models,
    list_providers,
    retiring_within,
)
from model_manifest.model import ANY_MODEL, Limits, Model, NoReasoning, ReviewedPrice
from model_manifest.pricing import Price, SimulatedPrice, TokenCounts, preload, price
from model_manifest.provider_name import ProviderName
from model_manifest.resolving import ResolvedModel, validate_llm_overrides

__all__ = [
    "ANY_MODEL",
    "Limits",
    "Model",
    "NoReasoning",
    "Price",
    "ProviderName",
    "ResolvedModel",
    "Retirement",
    "ReviewedPrice",
    "SimulatedPrice",
    "TokenCounts",
    "default_model",
    "get_model",
    "list_models",
    "list_providers",
    "preload",
    "price",
    "retiring_within",
    "validate_llm_overrides",
]
