"""The promises of an override: it is honoured exactly, or refused with the reason and the valid choices."""

from datetime import date

import pytest
from event_contracts import InvalidLlmConfig, LLMConfigOverrides, ReasoningEffort
from hypothesis import given
from hypothesis import strategies as st
from model_manifest import (
    Model,
    ResolvedModel,
    default_model,
    list_models,
    list_providers,
    validate_llm_overrides,
)

TODAY = date(2026, 11, 24)
USABLE = [model for model in list_models(include_deprecated=True) if not model.is_retired(TODAY)]


def resolve(*, default_model: str | None = None, today: date = TODAY, **overrides: object) -> ResolvedModel:
    return validate_llm_overrides(
        LLMConfigOverrides.model_validate(overrides),
        default_provider="mock",
        default_model=default_model,
        today=today,
    )


def test_nothing_asked_for_is_the_default_judge() -> None:
    resolved = validate_llm_overrides(None, default_provider="mock", today=TODAY)

    assert (resolved.provider, resolved.model, resolved.warnings) == ("mock", "simulated-judge-1", ())


def test_a_provider_alone_means_its_default_model() -> None:
    assert resolve(provider_override="anthropic").model == default_model("anthropic").id


def test_a_model_alone_finds_its_only_provider() -> None:
    assert resolve(model_override="gpt-6-luna").provider == "openai"


def test_the_installations_default_model_holds_when_its_provider_is_named() -> None:
    resolved = validate_llm_overrides(
        LLMConfigOverrides(provider_override="openai_compatible"),
        default_provider="openai_compatible",
        default_model="qwen3-8b",
        today=TODAY,
    )

    assert resolved.model == "qwen3-8b"


def test_a_self_hosted_judge_needs_a_model() -> None:
    with pytest.raises(InvalidLlmConfig, match="set model_override"):
        resolve(provider_override="openai_compatible")


def test_a_self_hosted_judge_writes_as_much_as_is_asked_for() -> None:
    resolved = resolve(
        provider_override="openai_compatible", model_override="qwen3-8b", max_tokens_override=1_000_000
    )

    assert (resolved.model, resolved.max_tokens) == ("qwen3-8b", 1_000_000)


def test_an_unknown_provider_is_refused_with_the_providers_there_are() -> None:
    with pytest.raises(InvalidLlmConfig, match="anthropic, openai, google"):
        resolve(provider_override="nobody")


def test_a_provider_in_capitals_is_the_same_provider() -> None:
    assert resolve(provider_override="OpenAI") == resolve(provider_override="openai")


def test_an_unknown_model_is_refused_with_the_models_there_are() -> None:
    with pytest.raises(InvalidLlmConfig, match=r"gemini-3\.8-flash"):
        resolve(provider_override="google", model_override="gemini-0")


def test_zero_is_a_temperature() -> None:
    assert resolve(provider_override="mock", temperature_override=0.0).temperature == 0.0


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "gemini-3.8-flash", "gpt-6.2-sol"])
def test_a_temperature_is_refused_where_the_vendor_refuses_or_ignores_it(model: str) -> None:
    with pytest.raises(InvalidLlmConfig, match="takes no temperature"):
        resolve(model_override=model, temperature_override=0.0)


def test_a_temperature_outside_the_models_range_is_refused() -> None:
    with pytest.raises(InvalidLlmConfig, match=r"from 0\.0 to 1\.0"):
        resolve(model_override="claude-haiku-4-5-20251001", temperature_override=1.5)


@pytest.mark.parametrize("effort", [None, "low", "high"])
def test_a_temperature_beside_reasoning_is_refused_where_the_vendor_forbids_it(effort: str | None) -> None:
    with pytest.raises(InvalidLlmConfig, match="reasoning_effort=none"):
        resolve(model_override="gpt-6-luna", temperature_override=0.2, reasoning_effort=effort)


def test_a_temperature_is_taken_once_reasoning_is_off() -> None:
    resolved = resolve(model_override="gpt-6-luna", temperature_override=0.0, reasoning_effort="none")

    assert (resolved.temperature, resolved.no_reasoning) == (0.0, "effort_none")


def test_an_effort_that_the_model_does_not_know_is_refused_with_those_it_does() -> None:
    with pytest.raises(InvalidLlmConfig, match="use one of low, medium, high") as refusal:
        resolve(model_override="claude-opus-5-5", reasoning_effort="none")

    assert refusal.value.details == {"valid_reasoning_effort": ["low", "medium", "high"]}


def test_an_effort_is_refused_on_a_model_that_cannot_reason() -> None:
    with pytest.raises(InvalidLlmConfig, match="leave it out"):
        resolve(model_override="gpt-4o", reasoning_effort="low")


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("claude-haiku-5-5", "thinking_disabled"),
        ("claude-sonnet-5-5", "thinking_between_tools"),
        ("claude-opus-4-8", "left_out"),
        ("gpt-6-luna", "effort_none"),
        ("gemini-2.5-flash", "budget_zero"),
    ],
)
def test_no_reasoning_is_told_in_the_vendors_own_way(model: str, told: str) -> None:
    provider = next(entry.provider for entry in USABLE if entry.id == model)

    resolved = resolve(provider_override=provider, model_override=model, reasoning_effort="none")

    assert resolved.no_reasoning == told


def test_a_verbosity_is_refused_where_there_is_none() -> None:
    with pytest.raises(InvalidLlmConfig, match="output_verbosity=low: leave it out"):
        resolve(provider_override="anthropic", output_verbosity="low")


def test_more_tokens_than_the_model_writes_are_refused() -> None:
    with pytest.raises(InvalidLlmConfig, match="at most 16384"):
        resolve(model_override="gpt-4o", max_tokens_override=16_385)


@pytest.mark.parametrize(
    ("model", "effort", "room"),
    [
        ("claude-haiku-4-5-20251001", None, 1_024),
        ("claude-haiku-5-5", "none", 1_024),
        ("claude-haiku-5-5", "low", 4_096),
        ("claude-haiku-5-5", None, 4_096),
        ("claude-sonnet-5-5", None, 8_192),
        ("gemini-3.5-flash-lite", None, 4_096),
        ("simulated-judge-1", None, 1_024),
    ],
)
def test_an_answer_has_room_for_the_reasoning_before_it(model: str, effort: str | None, room: int) -> None:
    assert resolve(model_override=model, reasoning_effort=effort).max_tokens == room


def test_a_deprecated_model_is_a_warning_that_names_its_successor() -> None:
    (warning,) = resolve(model_override="claude-sonnet-4-5-20250929").warnings

    assert "claude-sonnet-5-5" in warning


def test_a_model_about_to_retire_is_a_warning_thirty_days_ahead() -> None:
    early = resolve(model_override="gemini-3.1-flash-lite", today=date(2027, 4, 6)).warnings
    (late,) = resolve(model_override="gemini-3.1-flash-lite", today=date(2027, 4, 7)).warnings

    assert early == ()
    assert "2027-05-07" in late


def test_a_model_is_an_error_from_the_day_it_retires() -> None:
    with pytest.raises(InvalidLlmConfig, match="use claude-sonnet-5-5"):
        resolve(model_override="claude-sonnet-4-5-20250929", today=date(2026, 11, 30))


def test_a_retired_model_is_refused() -> None:
    with pytest.raises(InvalidLlmConfig, match="retired on 2026-08-05: use claude-opus-5-5"):
        resolve(model_override="claude-opus-4-1-20250805")


def test_fewer_tokens_than_the_vendor_takes_are_refused() -> None:
    with pytest.raises(InvalidLlmConfig, match="no max_tokens below 16"):
        resolve(model_override="gpt-6-luna", max_tokens_override=15)


@pytest.mark.parametrize(
    ("model", "effort", "gives"),
    [
        ("gpt-6-luna", "none", True),
        ("gpt-6-luna", "low", False),
        ("gpt-6-luna", None, False),
        ("gpt-4.1", None, True),
        ("gpt-6.2-sol", "low", False),
        ("claude-haiku-5-5", "none", False),
    ],
)
def test_token_probabilities_are_asked_for_only_where_no_reasoning_precedes_the_answer(
    model: str, effort: str | None, gives: bool
) -> None:
    assert resolve(model_override=model, reasoning_effort=effort).token_probabilities is gives


def test_what_a_vendor_keeps_in_spite_of_zero_retention_is_known() -> None:
    retention = resolve(model_override="claude-fable-5-2").retention

    assert retention is not None
    assert retention.startswith("30 days")


def test_a_model_without_a_known_price_is_a_warning() -> None:
    (warning,) = resolve(provider_override="openai_compatible", model_override="qwen3-8b").warnings

    assert "no price" in warning


@pytest.mark.parametrize("provider", [p for p in list_providers() if p != "openai_compatible"])
def test_every_default_judges_without_a_warning(provider: str) -> None:
    resolved = validate_llm_overrides(None, default_provider=provider, today=TODAY)

    assert resolved.warnings == ()


OVERRIDES = st.builds(
    LLMConfigOverrides,
    temperature_override=st.none() | st.floats(0, 2),
    max_tokens_override=st.none() | st.integers(1, 300_000),
    reasoning_effort=st.none() | st.sampled_from(ReasoningEffort),
    output_verbosity=st.none() | st.sampled_from(["low", "medium", "high"]),
)


@given(model=st.sampled_from([m for m in USABLE if m.id != "*"]), asked=OVERRIDES)
def test_every_override_is_taken_as_it_is_or_refused(model: Model, asked: LLMConfigOverrides) -> None:
    named = asked.model_copy(update={"provider_override": model.provider, "model_override": model.id})

    try:
        resolved = validate_llm_overrides(named, default_provider="mock", today=TODAY)
    except InvalidLlmConfig:
        return

    assert resolved.temperature == asked.temperature_override
    assert resolved.reasoning_effort == asked.reasoning_effort
    assert resolved.output_verbosity == asked.output_verbosity
    assert asked.max_tokens_override in (None, resolved.max_tokens)
    assert resolved.max_tokens <= (model.output_limit or resolved.max_tokens)
    assert (resolved.no_reasoning is not None) == (asked.reasoning_effort == "none")
