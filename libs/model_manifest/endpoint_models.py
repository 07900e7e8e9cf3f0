"""A model of the endpoints file as one of the manifest: what the file says, else what its ``like`` model has."""

from collections.abc import Callable
from typing import Final

from event_contracts import ConfigurationError, ReasoningEffort

from model_manifest.endpoint_settings import (
    EndpointKind,
    EndpointLimits,
    EndpointModel,
    NamedEndpoint,
)
from model_manifest.model import ANY_MODEL, Limits, Model, NoReasoning
from model_manifest.provider_name import ProviderName

UNLISTED: Final = "none"
"""The price list's vendor of a model that is not to be looked up there."""

_ALL_EFFORTS: Final = tuple(ReasoningEffort)
_USUAL_LIMITS: Final = Limits(
    requests_per_minute=300,
    input_tokens_per_minute=500_000,
    output_tokens_per_minute=100_000,
    concurrency=16,
)


def model_at(
    name: ProviderName,
    endpoint: NamedEndpoint,
    model: EndpointModel,
    *,
    is_default: bool,
    is_the_vendors: bool,
    known: Callable[[str, str], Model],
) -> Model:
    """The model under the endpoint's name; ``is_the_vendors`` says that the endpoint is the dialect's own vendor."""
    base = _described(endpoint) if model.like is None else _known(model.like, known)
    fields: dict[str, object] = {key: getattr(base, key) for key in Model.model_fields}
    fields |= {
        "provider": name,
        "id": model.id,
        "name": model.name or (f"{base.name} at {name}" if model.like else f"{model.id} at {name}"),
        "default": is_default,
        "price_factor": endpoint.price_factor,
        "retention": endpoint.retention or base.retention,
        "batch_api": model.batch_api,
        "limits": _limits(endpoint.limits, base.limits),
        "free": model.free,
    }
    capabilities = _capabilities(endpoint, model, base, is_the_vendors=is_the_vendors)
    return Model.model_validate({**fields, **_priced(model, base), **capabilities})


def _priced(model: EndpointModel, base: Model) -> dict[str, object]:
    """Where its price is found; a name that happens to look like one in the list does not count."""
    nowhere: dict[str, object] = {
        "own_prices": (),
        "price_provider": UNLISTED,
        "price_id": None,
        "reviewed_price": None,
    }
    if model.free:
        return nowhere
    if model.price is not None:
        return {**nowhere, "own_prices": (model.price,)}
    if model.price_list is not None:
        vendor, _, listed = model.price_list.partition("/")
        return {**nowhere, "price_provider": vendor, "price_id": listed}
    if model.like is None:
        return nowhere
    return {
        "own_prices": base.own_prices,
        "price_provider": base.price_provider or base.provider,
        "price_id": base.price_id or base.id,
    }


def _capabilities(
    endpoint: NamedEndpoint, model: EndpointModel, base: Model, *, is_the_vendors: bool
) -> dict[str, object]:
    given = {
        key: value
        for key in (
            *("context_window", "output_limit", "structured_output", "temperature", "reasoning_efforts"),
            *("default_effort", "no_reasoning", "verbosities", "prompt_caching", "token_probabilities"),
        )
        if (value := getattr(model, key)) is not None
    }
    efforts = given.get("reasoning_efforts")
    if isinstance(efforts, tuple):
        silent = ReasoningEffort.NONE in efforts
        given.setdefault("no_reasoning", _silence(endpoint.kind, base) if silent else None)
        given.setdefault("default_effort", base.default_effort if base.default_effort in efforts else None)
        given["temperature_needs_no_reasoning"] = silent and base.temperature_needs_no_reasoning
    if endpoint.kind == "openai" and not is_the_vendors:
        given.setdefault("prompt_caching", "automatic")
    return given


def _silence(kind: EndpointKind, base: Model) -> NoReasoning:
    if base.no_reasoning is not None:
        return base.no_reasoning
    if kind == "anthropic":
        return "thinking_disabled"
    return "budget_zero" if kind == "google" else "effort_none"


def _described(endpoint: NamedEndpoint) -> Model:
    """What an endpoint's model is where nothing is said of it: it may reason, so that its answer gets room for that."""
    can_be_silent = endpoint.kind in ("openai_chat", "openrouter")
    return Model(
        provider="mock",
        id=ANY_MODEL,
        family="endpoint",
        name="a model of an endpoint",
        structured_output="json_schema",
        temperature=(0.0, 2.0) if can_be_silent else None,
        reasoning_efforts=_ALL_EFFORTS if can_be_silent else _ALL_EFFORTS[1:],
        no_reasoning="effort_none" if can_be_silent else None,
        prompt_caching="breakpoints" if endpoint.kind == "anthropic" else None,
        limits=_USUAL_LIMITS,
    )


def _known(like: str, known: Callable[[str, str], Model]) -> Model:
    provider, slash, model_id = like.partition("/")
    if not slash:
        raise ConfigurationError("write provider/model, as `cj-suite models list` has them")
    return known(provider, model_id)


def _limits(own: EndpointLimits, usual: Limits) -> Limits:
    return Limits(
        requests_per_minute=own.requests or usual.requests_per_minute,
        input_tokens_per_minute=own.input_tokens_per_minute or usual.input_tokens_per_minute,
        output_tokens_per_minute=own.output_tokens_per_minute or usual.output_tokens_per_minute,
        tokens_per_minute=own.tokens,
        concurrency=own.concurrency or usual.concurrency,
    )
