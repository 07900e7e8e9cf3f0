"""The manifest's promises: it is read whole or not at all, and says what there is, until when."""

from datetime import date

import pytest
from event_contracts import ConfigurationError, InvalidLlmConfig
from model_manifest import (
    ANY_MODEL,
    Model,
    default_model,
    get_model,
    list_models,
    list_providers,
    retiring_within,
)
from model_manifest.manifest import manifest, read_manifest

TODAY = date(2026, 11, 24)
EVERY_MODEL = list_models(include_deprecated=True)


def test_deprecated_models_are_listed_only_when_asked_for() -> None:
    current = {model.id for model in list_models(provider="google", today=TODAY)}

    assert "gemini-3.8-flash" in current
    assert "gemini-2.5-flash" not in current


def test_a_model_is_not_listed_from_the_day_it_retires() -> None:
    before = {model.id for model in list_models(provider="google", today=date(2027, 5, 6))}
    after = {model.id for model in list_models(provider="google", today=date(2027, 5, 7))}

    assert before - after == {"gemini-3.1-flash-lite"}


def test_an_unknown_provider_is_refused_with_the_providers_there_are() -> None:
    with pytest.raises(InvalidLlmConfig, match="anthropic, openai, google, openrouter") as refusal:
        list_models(provider="nobody")

    assert refusal.value.details["valid_providers"] == [str(name) for name in list_providers()]


def test_an_unknown_model_is_refused_with_the_models_that_remain() -> None:
    with pytest.raises(InvalidLlmConfig) as refusal:
        get_model("google", "gemini-0")

    assert "gemini-3.8-flash" in refusal.value.message
    assert "gemini-2.0-flash" not in refusal.value.message


def test_a_model_id_with_a_slip_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(InvalidLlmConfig, match=r"did you mean claude-haiku-5-5\?"):
        get_model("anthropic", "claude-haiku-5.5")


def test_a_self_hosted_server_may_have_any_model_but_not_none() -> None:
    assert get_model("openai_compatible", "qwen3-8b").id == "qwen3-8b"

    for nothing in ("", " ", ANY_MODEL):
        with pytest.raises(InvalidLlmConfig, match="set model_override"):
            get_model("openai_compatible", nothing)


def test_nothing_is_claimed_of_a_self_hosted_servers_sizes() -> None:
    model = get_model("openai_compatible", "qwen3-8b")

    assert (model.context_window, model.output_limit) == (None, None)


@pytest.mark.parametrize("provider", list_providers())
def test_every_provider_has_a_default_that_lasts(provider: str) -> None:
    model = default_model(provider)

    assert (model.deprecated, model.retires) == (False, None)


@pytest.mark.parametrize("model", EVERY_MODEL, ids=lambda model: model.full_name)
def test_every_model_has_limits_to_start_from(model: Model) -> None:
    assert model.limits.requests_per_minute > 0


@pytest.mark.parametrize(
    "model", [m for m in EVERY_MODEL if not m.free and m.id != ANY_MODEL], ids=lambda model: model.full_name
)
def test_every_vendors_model_says_its_sizes_and_belongs_to_a_family(model: Model) -> None:
    family = manifest().families.of(model.provider).family_of(model.id)

    assert model.context_window
    assert model.output_limit
    assert family is not None
    assert family.name == model.family


def test_retirements_are_told_the_soonest_first_with_the_days_that_are_left() -> None:
    coming = [(r.model.id, r.days_left) for r in retiring_within(30, today=TODAY)]

    assert coming == [("claude-sonnet-4-5-20250929", 6), ("gemini-2.5-flash", 7)]


def test_the_last_day_counts_and_a_retired_model_does_not() -> None:
    eve = [r.model.id for r in retiring_within(1, today=date(2026, 11, 29))]
    day = [r.model.id for r in retiring_within(0, today=date(2026, 11, 30))]

    assert eve == ["claude-sonnet-4-5-20250929"]
    assert day == []


ENTRY = """
[limits]
mock = { requests_per_minute = 1, input_tokens_per_minute = 1, output_tokens_per_minute = 1, concurrency = 1 }

[[models]]
provider = "mock"
id = "one-1"
family = "f"
name = "n"
default = true
context_window = 2
output_limit = 1
structured_output = "prompt"
"""
ANOTHER = ENTRY[ENTRY.index("[[models]]") :].replace("default = true", "").replace("one-1", "one-2")
FAMILY = '\n[[families]]\nprovider = "mock"\nname = "f"\npattern = "one-(?P<version>1)"\n'


def test_a_model_without_limits_of_its_own_has_its_providers() -> None:
    own = (
        "limits = { requests_per_minute = 7, input_tokens_per_minute = 1, output_tokens_per_minute = 1,"
        " concurrency = 1 }"
    )

    found = read_manifest(ENTRY + ANOTHER + own).models

    assert [model.limits.requests_per_minute for model in found] == [1, 7]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ENTRY + ANOTHER.replace("one-2", "one-1"), "twice"),
        (ENTRY.replace("default = true", ""), "exactly one default"),
        (ENTRY + "deprecated = true", "successor"),
        (ENTRY + 'successor = "two"\nreleased = 2026-01-02\nretires = 2026-01-01', "retires before"),
        (ENTRY + ANOTHER + 'successor = "two"\ndeprecated = true', "succeeded by two"),
        (ENTRY.replace("output_limit = 1", "output_limit = 3"), "output limit exceeds the context window"),
        (ENTRY + "temperature = [2.0, 1.0]", "minimum temperature exceeds the maximum"),
        (ENTRY + 'reasoning_efforts = ["none"]', "must be set together"),
        (ENTRY + 'no_reasoning = "left_out"', "must be set together"),
        (ENTRY + 'reasoning_efforts = ["low"]\ndefault_effort = "high"', "default_effort"),
        (ENTRY + "temperature_needs_no_reasoning = true", "needs a temperature"),
        (ENTRY + "free = true\nreviewed_price = { input = 1, output = 1 }", "free"),
        (ENTRY + 'colour = "red"', "colour"),
        (ENTRY[ENTRY.index("[[models]]") :], "limits"),
        (ENTRY + FAMILY.replace("one-", "two-"), "does not fit the pattern"),
        (ENTRY + FAMILY.replace("<version>1", "<version>"), "does not fit the pattern"),
        (ENTRY + FAMILY.replace("?P<version>1", "1"), "no group called version"),
        (ENTRY + FAMILY.replace("(?P", "((?P"), "not a regular expression"),
        ("colour = 1", "models"),
        ("[[models", "models.toml"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        read_manifest(text)
