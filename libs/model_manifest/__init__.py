"""Which models may judge, with which parameters, at what price."""

from model_manifest.manifest import (
    Limits,
    Model,
    default_model,
    get_model,
    list_models,
    list_providers,
)
from model_manifest.pricing import Price, TokenCounts, price
from model_manifest.resolving import ResolvedModel, validate_llm_overrides

__all__ = [
    "Limits",
    "Model",
    "Price",
    "ResolvedModel",
    "TokenCounts",
    "default_model",
    "get_model",
    "list_models",
    "list_providers",
    "price",
    "validate_llm_overrides",
]
