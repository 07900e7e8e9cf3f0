"""What a request's overrides come to: one model and the parameters that it is called with, or a clear refusal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from event_contracts import InvalidLlmConfig, LLMConfigOverrides, OutputVerbosity, ReasoningEffort

from model_manifest import manifest
from model_manifest.manifest import get_model, models_of, providers_with
from model_manifest.model import Model, NoReasoning, StructuredOutput
from model_manifest.price_list import price_source

RETIREMENT_NOTICE_DAYS: Final = 30

REASONING_ALLOWANCE: Final[Mapping[ReasoningEffort, int]] = {
    ReasoningEffort.NONE: 1_024,
    ReasoningEffort.LOW: 4_096,
    ReasoningEffort.MEDIUM: 4_096,
    ReasoningEffort.HIGH: 8_192,
}
"""Tokens that an answer may take where no max_tokens is asked for: what a model thinks counts as written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedModel:
    """The model that will judge and its parameters; None is the model's own default.

    ``no_reasoning`` says how this vendor is told, and is given only where the effort is ``none``.
    ``cache_breakpoints``: the vendor caches a prompt up to where it is told to. ``token_probabilities``: it gives those
    of the answer's tokens with these parameters, at no cost. ``retention``: what it keeps, where anything is known.
    """

    provider: str
    model: str
    temperature: float | None
    max_tokens: int
    reasoning_effort: ReasoningEffort | None
    no_reasoning: NoReasoning | None
    output_verbosity: OutputVerbosity | None
    structured_output: StructuredOutput
    cache_breakpoints: bool
    token_probabilities: bool = False
    retention: str | None = None
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
    model does not take, a value outside its range or in a combination that the vendor rejects, and a retired model.
    A deprecated model, one about to retire and one without a known price are warnings.
    """
    asked = overrides or LLMConfigOverrides()
    model = _chosen(asked, default_provider, default_model)
    day = today or datetime.now(UTC).date()
    _refuse_retired(model, day)
    _check_listed("reasoning_effort", asked.reasoning_effort, model.reasoning_efforts, model)
    _check_listed("output_verbosity", asked.output_verbosity, model.verbosities, model)
    _check_temperature(model, asked)
    return ResolvedModel(
        provider=model.provider,
        model=model.id,
        temperature=asked.temperature_override,
        max_tokens=_max_tokens(model, asked),
        reasoning_effort=asked.reasoning_effort,
        no_reasoning=model.no_reasoning if asked.reasoning_effort == ReasoningEffort.NONE else None,
        output_verbosity=asked.output_verbosity,
        structured_output=model.structured_output,
        cache_breakpoints=model.prompt_caching == "breakpoints",
        token_probabilities=_gives_probabilities(model, asked),
        retention=model.retention,
        warnings=_warnings(model, day),
    )


def _chosen(asked: LLMConfigOverrides, default_provider: str, default_model: str | None) -> Model:
    provider, model_id = asked.provider_override, asked.model_override
    if provider is not None:
        models_of(provider)
    elif model_id is not None:
        provider = _provider_of(model_id, default_provider)
    else:
        provider = default_provider
    if model_id is None and provider == default_provider:
        model_id = default_model
    if model_id is None:
        model_id = manifest.default_model(provider).id
    return get_model(provider, model_id)


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
            f"{model.full_name} was retired on {model.retires}: use {model.successor}",
            details={"successor": model.successor},
        )


def _check_listed(name: str, value: str | None, allowed: Sequence[str], model: Model) -> None:
    if value is None or value in allowed:
        return
    choices = f"use one of {', '.join(allowed)}" if allowed else "leave it out"
    raise InvalidLlmConfig(
        f"{model.id} does not take {name}={value}: {choices}",
        details={f"valid_{name}": [str(choice) for choice in allowed]},
    )


def _check_temperature(model: Model, asked: LLMConfigOverrides) -> None:
    temperature = asked.temperature_override
    if temperature is None:
        return
    if model.temperature is None:
        raise InvalidLlmConfig(f"{model.id} takes no temperature: leave temperature_override out")
    low, high = model.temperature
    if not low <= temperature <= high:
        raise InvalidLlmConfig(f"{model.id} takes a temperature from {low} to {high}, not {temperature}")
    effort = asked.reasoning_effort or model.default_effort
    if model.temperature_needs_no_reasoning and effort != ReasoningEffort.NONE:
        raise InvalidLlmConfig(
            f"{model.id} takes a temperature only when it does not reason: send reasoning_effort=none as well,"
            " or leave temperature_override out"
        )


def _max_tokens(model: Model, asked: LLMConfigOverrides) -> int:
    wanted, limit = asked.max_tokens_override, model.output_limit
    if wanted is None:
        room = REASONING_ALLOWANCE[_effort_to_expect(model, asked)]
        return room if limit is None else min(room, limit)
    if limit is not None and wanted > limit:
        raise InvalidLlmConfig(f"{model.id} writes at most {limit} tokens, not {wanted}")
    if wanted < model.output_minimum:
        raise InvalidLlmConfig(
            f"{model.provider} takes no max_tokens below {model.output_minimum}: {wanted} is too few"
        )
    return wanted


def _effort_to_expect(model: Model, asked: LLMConfigOverrides) -> ReasoningEffort:
    """A model that reasons, and whose vendor does not say how much, is given a medium's room."""
    known = asked.reasoning_effort or model.default_effort
    if known is not None:
        return known
    return ReasoningEffort.MEDIUM if model.reasoning_efforts else ReasoningEffort.NONE


def _gives_probabilities(model: Model, asked: LLMConfigOverrides) -> bool:
    """Vendors refuse to give them for an answer that was reasoned about; a self-hosted server reasons when told to."""
    if not model.token_probabilities:
        return False
    effort = asked.reasoning_effort or model.default_effort
    return effort == ReasoningEffort.NONE or (effort is None and not model.temperature_needs_no_reasoning)


def _warnings(model: Model, today: date) -> tuple[str, ...]:
    found = []
    if model.deprecated:
        until = f" and retires on {model.retires}" if model.retires else ""
        found.append(f"{model.full_name} is deprecated{until}: move to {model.successor}")
    elif model.retires is not None and (model.retires - today).days <= RETIREMENT_NOTICE_DAYS:
        found.append(f"{model.full_name} retires on {model.retires}")
    if not model.free and price_source(model) is None:
        found.append(f"no price is known for {model.full_name}: what it costs is not counted")
    return tuple(found)
