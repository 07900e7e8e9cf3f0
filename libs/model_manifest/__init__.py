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
from model_manifest.pricing import Price, SimulatedPrice, preload, price
from model_manifest.provider_name import ProviderName
from model_manifest.rates import TokenCounts
from model_manifest.residency import LOCAL, RegionNotAllowed, check_region, region_of
from model_manifest.resolving import ResolvedModel, validate_llm_overrides

__all__ = [
    "ANY_MODEL",
    "LOCAL",
    "Limits",
    "Model",
    "NoReasoning",
    "Price",
    "ProviderName",
    "RegionNotAllowed",
    "ResolvedModel",
    "Retirement",
    "ReviewedPrice",
    "SimulatedPrice",
    "TokenCounts",
    "check_region",
    "default_model",
    "get_model",
    "list_models",
    "list_providers",
    "preload",
    "price",
    "region_of",
    "retiring_within",
    "validate_llm_overrides",
]
