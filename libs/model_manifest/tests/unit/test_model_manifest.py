"""The manifest's promises: a judge is resolved exactly, or refused with the valid choices."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from event_contracts import ConfigurationError, InvalidLlmConfig, LLMConfigOverrides
from genai_prices import Usage, calc_price
from model_manifest import (
    Model,
    TokenCounts,
    default_model,
    get_model,
    list_models,
    list_providers,
    price,
    validate_llm_overrides,
)
from model_manifest.manifest import read_manifest
from pydantic import ValidationError

TODAY = date(2026, 11, 24)
EVERY_MODEL = list_models(include_deprecated=True)


def resolve(**overrides: object):
    return validate_llm_overrides(
        LLMConfigOverrides.model_validate(overrides), default_provider="mock", today=TODAY
    )


def test_nothing_asked_for_is_the_default_judge():
    resolved = validate_llm_overrides(None, default_provider="mock", today=TODAY)

    assert (resolved.provider, resolved.model, resolved.warnings) == ("mock", "simulated-judge-1", ())


def test_a_provider_alone_means_its_default_model():
    assert resolve(provider_override="anthropic").model == default_model("anthropic").id


def test_a_model_alone_finds_its_only_provider():
    assert resolve(model_override="gpt-6-luna").provider == "openai"


def test_an_unknown_provider_is_refused_with_the_providers_there_are():
    with pytest.raises(InvalidLlmConfig, match="anthropic, openai, google"):
        resolve(provider_override="nobody")


def test_an_upper_case_provider_is_refused():
    with pytest.raises(ValidationError, match="lower case"):
        resolve(provider_override="OpenAI")


def test_an_unknown_model_is_refused_with_the_models_there_are():
    with pytest.raises(InvalidLlmConfig, match="gemini-3.8-flash"):
        resolve(provider_override="google", model_override="gemini-0")


def test_a_self_hosted_server_may_have_any_model():
    assert resolve(provider_override="openai_compatible", model_override="llama").model == "llama"


def test_zero_is_a_temperature():
    assert resolve(provider_override="mock", temperature_override=0.0).temperature == 0.0


def test_a_temperature_is_refused_where_the_model_takes_none():
    with pytest.raises(InvalidLlmConfig, match="takes no temperature"):
        resolve(provider_override="openai", temperature_override=0.0)


def test_a_temperature_outside_the_models_range_is_refused():
    with pytest.raises(InvalidLlmConfig, match=r"from 0\.0 to 1\.0"):
        resolve(model_override="claude-sonnet-4-5-20250929", temperature_override=1.5)


def test_an_effort_that_the_model_does_not_know_is_refused_with_those_it_does():
    with pytest.raises(InvalidLlmConfig, match="low, medium, high"):
        resolve(provider_override="anthropic", reasoning_effort="none")


def test_more_tokens_than_the_model_writes_are_refused():
    with pytest.raises(InvalidLlmConfig, match="at most 16384"):
        resolve(model_override="gpt-4o", max_tokens_override=16_385)


def test_a_deprecated_model_is_a_warning_that_names_its_successor():
    (warning,) = resolve(model_override="claude-sonnet-4-5-20250929").warnings

    assert "claude-sonnet-5-5" in warning


def test_a_deprecated_model_is_an_error_from_the_day_it_retires():
    asked = LLMConfigOverrides(model_override="claude-sonnet-4-5-20250929")

    with pytest.raises(InvalidLlmConfig, match="claude-sonnet-5-5"):
        validate_llm_overrides(asked, default_provider="mock", today=date(2026, 11, 30))


def test_a_retired_model_is_refused():
    with pytest.raises(InvalidLlmConfig, match="retired on 2025-10-28"):
        resolve(model_override="claude-3-5-sonnet-20241022")


def test_deprecated_models_are_listed_only_when_asked_for():
    current = {model.id for model in list_models(provider="google", today=TODAY)}

    assert "gemini-3.8-flash" in current
    assert "gemini-2.5-flash" not in current


@pytest.mark.parametrize("provider", list_providers())
def test_every_provider_has_a_default_that_can_be_used(provider: str):
    resolved = validate_llm_overrides(None, default_provider=provider, today=TODAY)

    assert resolved.warnings == ()


@pytest.mark.parametrize("model", EVERY_MODEL, ids=lambda model: f"{model.provider}/{model.id}")
def test_every_model_has_a_price_or_says_that_it_is_free(model: Model):
    amount = price(model, TokenCounts(input=2_000, output=100)).amount

    assert (amount == 0) == model.free


def test_a_price_is_what_the_price_list_says_to_the_last_digit():
    model = get_model("anthropic", "claude-haiku-5-5")
    at = datetime(2026, 11, 24, tzinfo=UTC)

    paid = price(model, TokenCounts(input=1_000, output=100, cache_read=500, cache_write=200), at=at)

    listed = calc_price(
        Usage(input_tokens=1_000, output_tokens=100, cache_read_tokens=500, cache_write_tokens=200),
        "claude-haiku-5-5",
        provider_id="anthropic",
        genai_request_timestamp=at,
    )
    assert paid.amount == listed.total_price
    assert isinstance(paid.amount, Decimal)
    assert paid.price_list.startswith("genai-prices ")


def test_a_model_without_a_price_is_an_error_not_zero():
    unknown = get_model("openai", "gpt-6-luna").model_copy(update={"price_id": "no-such-model-anywhere"})

    with pytest.raises(ConfigurationError, match="no price"):
        price(unknown, TokenCounts(input=1, output=1))


ENTRY = """
[[models]]
provider = "mock"
id = "one"
family = "f"
name = "n"
default = true
free = true
context_window = 1
output_limit = 1
structured_output = "prompt"
limits = { requests_per_minute = 1, input_tokens_per_minute = 1, output_tokens_per_minute = 1, concurrency = 1 }
"""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ENTRY + ENTRY, "twice"),
        (ENTRY.replace("default = true", ""), "default"),
        (ENTRY.replace("free = true", "deprecated = true"), "successor"),
        (ENTRY + "released = 2026-01-02\nretires = 2026-01-01", "retires before"),
        (ENTRY + 'colour = "red"', "colour"),
        ("colour = 1", "models"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(text: str, complaint: str):
    with pytest.raises(ConfigurationError, match=complaint):
        read_manifest(text)
