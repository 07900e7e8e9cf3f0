"""What a request's overrides come to: one model and the parameters that it is called with, or a clear refusal."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from event_contracts import InvalidLlmConfig, LLMConfigOverrides, OutputVerbosity, ReasoningEffort

from model_manifest import manifest
from model_manifest.manifest import (
    Model,
    StructuredOutput,
    get_model,
    models_of,
    providers_with,
)

DEFAULT_MAX_TOKENS = 1_024
"""Room for an answer of a few hundred characters, and for a little thinking before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedModel:
    """The model that will judge and its parameters; None is the model's own default."""

    provider: str
    model: str
    temperature: float | None
    max_tokens: int
    reasoning_effort: ReasoningEffort | None
    output_verbosity: OutputVerbosity | None
    structured_output: StructuredOutput
    warnings: tuple[str, ...] = ()


def validate_llm_overrides(
    overrides: LLMConfigOverrides | None,
    *,
    default_provider: str,
    default_model: str | None = None,
    today: date | None = None,
) -> ResolvedModel:
    """Resolve overrides against the manifest.

    Raises ``InvalidLlmConfig``, naming the valid choices, for an unknown provider or model, a parameter that the
    model does not take or a value outside its range, and a retired model. A deprecated one is a warning.
    """
    asked = overrides or LLMConfigOverrides()
    model = _chosen(asked, default_provider, default_model)
    day = today or datetime.now(UTC).date()
    _refuse_retired(model, day)
    _check_temperature(model, asked.temperature_override)
    _check_listed("reasoning_effort", asked.reasoning_effort, model.reasoning_efforts, model)
    _check_listed("output_verbosity", asked.output_verbosity, model.verbosities, model)
    return ResolvedModel(
        provider=model.provider,
        model=model.id,
        temperature=asked.temperature_override,
        max_tokens=_max_tokens(model, asked.max_tokens_override),
        reasoning_effort=asked.reasoning_effort,
        output_verbosity=asked.output_verbosity,
        structured_output=model.structured_output,
        warnings=_warnings(model),
    )


def _chosen(asked: LLMConfigOverrides, provider: str, fallback: str | None) -> Model:
    if asked.provider_override is not None:
        models_of(asked.provider_override)
        if asked.model_override is None:
            return manifest.default_model(asked.provider_override)
        return get_model(asked.provider_override, asked.model_override)
    if asked.model_override is not None:
        return get_model(_provider_of(asked.model_override, provider), asked.model_override)
    return get_model(provider, fallback) if fallback is not None else manifest.default_model(provider)


def _provider_of(model_id: str, default: str) -> str:
    """Whose model it is: the default provider's if it lists it, else the only one that does."""
    owners = providers_with(model_id)
    if default in owners or not owners:
        return default
    if len(owners) > 1:
        raise InvalidLlmConfig(
            f"{model_id!r} is offered by {', '.join(owners)}: send provider_override as well",
            details={"valid_providers": [str(owner) for owner in owners]},
        )
    return owners[0]


def _refuse_retired(model: Model, today: date) -> None:
    if model.is_retired(today):
        raise InvalidLlmConfig(
            f"{model.provider}/{model.id} was retired on {model.retires}: use {model.successor}",
            details={"successor": model.successor},
        )


def _check_temperature(model: Model, temperature: float | None) -> None:
    if temperature is None:
        return
    if model.temperature is None:
        raise InvalidLlmConfig(f"{model.id} takes no temperature: leave temperature_override out")
    low, high = model.temperature
    if not low <= temperature <= high:
        raise InvalidLlmConfig(f"{model.id} takes a temperature from {low} to {high}, not {temperature}")


def _check_listed(name: str, value: str | None, allowed: tuple[str, ...], model: Model) -> None:
    if value is None or value in allowed:
        return
    choices = f"use one of {', '.join(allowed)}" if allowed else "leave it out"
    raise InvalidLlmConfig(
        f"{model.id} does not take {name}={value}: {choices}",
        details={f"valid_{name}": [str(choice) for choice in allowed]},
    )


def _max_tokens(model: Model, wanted: int | None) -> int:
    if wanted is None:
        return min(DEFAULT_MAX_TOKENS, model.output_limit)
    if wanted > model.output_limit:
        raise InvalidLlmConfig(f"{model.id} writes at most {model.output_limit} tokens, not {wanted}")
    return wanted


def _warnings(model: Model) -> tuple[str, ...]:
    if not model.deprecated:
        return ()
    until = f" and retires on {model.retires}" if model.retires else ""
    return (f"{model.provider}/{model.id} is deprecated{until}: move to {model.successor}",)
