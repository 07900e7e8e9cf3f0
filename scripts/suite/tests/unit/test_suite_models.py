"""What cj-suite models promises: true figures, refusals with reasons, and checks against the vendors."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from event_contracts import JsonObject, LLMProvider
from model_manifest import ANY_MODEL, Model, list_models
from model_manifest.tests.vendor_server import (
    KEY,
    VendorServer,
    anthropic_model,
    google_model,
    openai_model,
    openrouter_model,
    vendor_server,
)
from model_manifest.vendor_lists import VENDORS
from suite.models.commands import models_app
from typer.testing import CliRunner, Result

TODAY = "2026-11-24"
OURS = {
    provider: [
        model
        for model in list_models(provider=provider, include_deprecated=True)
        if model.retires is None or str(model.retires) > TODAY
    ]
    for provider in VENDORS
}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for vendor in VENDORS.values():
        monkeypatch.delenv(vendor.key_variable, raising=False)
        monkeypatch.delenv(vendor.base_url_variable, raising=False)


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with vendor_server() as running:
        yield running


def run(*arguments: str) -> Result:
    return CliRunner().invoke(models_app, arguments, env={"COLUMNS": "80"})


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def check(
    monkeypatch: pytest.MonkeyPatch, server: VendorServer, provider: LLMProvider, *, key: str = KEY
) -> Result:
    monkeypatch.setenv(VENDORS[provider].key_variable, key)
    return run("check", "--provider", provider, "--base-url", server.base_url(provider), "--on", TODAY)


def in_one_line(output: str) -> str:
    """What was printed, however it was wrapped."""
    return " ".join(output.split())


def as_listed(provider: LLMProvider) -> list[JsonObject]:
    """A vendor's list of exactly our models, in the vendor's format."""
    return [_ENTRIES[provider](model) for model in OURS[provider] if model.id != ANY_MODEL]


def _anthropic_entry(model: Model) -> JsonObject:
    return anthropic_model(
        model.id,
        lifecycle="deprecated" if model.deprecated else "active",
        retires_at=None if model.retires is None else f"{model.retires}T00:00:00Z",
        max_input_tokens=model.context_window or 0,
        max_tokens=model.output_limit or 0,
    )


def _openai_entry(model: Model) -> JsonObject:
    return openai_model(model.id, shutdown_date=None if model.retires is None else str(model.retires))


def _google_entry(model: Model) -> JsonObject:
    return google_model(model.id, input_token_limit=model.context_window or 0)


def _openrouter_entry(model: Model) -> JsonObject:
    assert model.reviewed_price is not None
    return openrouter_model(
        model.id,
        context_length=model.context_window or 0,
        max_completion_tokens=model.output_limit,
        prompt=f"{model.reviewed_price.input / 1_000_000:f}",
        completion=f"{model.reviewed_price.output / 1_000_000:f}",
    )


_ENTRIES: dict[LLMProvider, Callable[[Model], JsonObject]] = {
    LLMProvider.ANTHROPIC: _anthropic_entry,
    LLMProvider.OPENAI: _openai_entry,
    LLMProvider.GOOGLE: _google_entry,
    LLMProvider.OPENROUTER: _openrouter_entry,
}


def test_list_shows_what_can_be_used_within_eighty_columns() -> None:
    shown = run("list", "--on", TODAY)

    assert shown.exit_code == 0
    assert "claude-haiku-5-5" in shown.stdout
    assert "gemini-2.5-flash " not in shown.stdout
    assert "…" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_list_shows_deprecated_models_when_asked_for_all() -> None:
    shown = run("list", "--provider", "google", "--all", "--on", TODAY)

    assert "gemini-2.5-flash       1.05M" in shown.stdout
    assert "retired" in shown.stdout


def test_list_as_json_has_the_days_prices() -> None:
    before, after = (
        {model["id"]: model for model in run_json("list", "--provider", "google", "--on", day)}
        for day in ("2026-11-30", "2026-12-01")
    )

    assert before["gemini-4-argon"]["price"]["input"] == "2"
    assert after["gemini-4-argon"]["price"]["input"] == "4"
    assert before["gemini-4-neon"]["price"]["input"] == "3"
    assert before["gemini-4-neon"]["price_list"] == "own"


def test_list_of_an_unknown_provider_names_those_there_are() -> None:
    refused = run("list", "--provider", "nobody")

    assert refused.exit_code == 2
    assert "anthropic, openai, google" in refused.stderr


def test_show_prints_everything_about_one_model() -> None:
    shown = run("show", "anthropic/claude-haiku-5-5", "--on", TODAY)

    assert shown.exit_code == 0
    for fact in ("thinking_disabled", "2026-10-07", "in a batch", "0.0625", "above 100,000 tokens"):
        assert fact in shown.stdout


def test_show_understands_a_model_id_with_a_slash() -> None:
    assert run_json("show", "openrouter/openai/gpt-6-luna")["id"] == "openai/gpt-6-luna"


def test_show_does_not_claim_a_price_that_is_not_known() -> None:
    shown = run("show", "openai_compatible/qwen3-8b")

    assert "not counted" in shown.stdout


def test_show_says_where_a_price_is_from_and_what_the_vendor_keeps() -> None:
    assert "written down here" in in_one_line(run("show", "openai/gpt-6.2-sol").stdout)
    assert "30 days" in in_one_line(run("show", "anthropic/claude-fable-5-2").stdout)


def test_show_understands_an_id_that_only_one_provider_has() -> None:
    assert run_json("show", "claude-haiku-5-5")["provider"] == "anthropic"


@pytest.mark.parametrize("name", ["claude-9", "anthropic/claude-9", "nobody/else"])
def test_show_of_something_unknown_is_refused_with_the_choices(name: str) -> None:
    refused = run("show", name)

    assert refused.exit_code == 2
    assert "use one of" in refused.stderr


def test_validate_prints_the_parameters_of_a_call() -> None:
    resolved = run_json(
        "validate", "--model", "gpt-6-luna", "--temperature", "0", "--reasoning-effort", "none"
    )

    assert resolved["provider"] == "openai"
    assert resolved["temperature"] == 0.0
    assert resolved["no_reasoning"] == "effort_none"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--model", "gpt-6-luna", "--temperature", "0"), "reasoning_effort=none"),
        (("--provider", "anthropic", "--temperature", "0"), "takes no temperature"),
        (("--provider", "anthropic", "--verbosity", "low"), "leave it out"),
        (("--model", "gpt-4o", "--reasoning-effort", "low"), "leave it out"),
        (("--model", "gpt-4o", "--max-tokens", "20000"), "at most 16384"),
        (("--temperature", "3"), "temperature_override"),
        (("--reasoning-effort", "much"), "'none', 'low', 'medium' or 'high'"),
        (("--provider", "openai_compatible"), "model_override"),
        (("--model", "claude-opus-4-1-20250805"), "retired on 2026-08-05"),
    ],
)
def test_validate_refuses_with_exit_code_two_and_the_reason(arguments: tuple[str, ...], reason: str) -> None:
    refused = run("validate", *arguments, "--on", TODAY)

    assert refused.exit_code == 2
    assert reason in in_one_line(refused.stderr)


def test_validate_passes_on_warnings() -> None:
    accepted = run("validate", "--model", "claude-sonnet-4-5-20250929", "--on", TODAY)

    assert accepted.exit_code == 0
    assert "move to claude-sonnet-5-5" in accepted.stdout


def test_check_without_keys_compares_with_the_price_list_and_says_so() -> None:
    checked = run_json("check", "--on", TODAY)

    assert (checked["exit_code"], checked["verdict"]) == (0, "up to date")
    assert set(checked["vendors"].values()) == {"no_key"}


def test_check_announces_what_is_going_to_retire() -> None:
    checked = run_json("check", "--provider", "anthropic", "--on", TODAY)

    (notice,) = checked["findings"]
    assert (notice["severity"], notice["model"]) == ("notice", "claude-sonnet-4-5-20250929")
    assert "retires in 6 days" in notice["message"]


def test_check_reports_a_price_that_has_changed() -> None:
    checked = run("check", "--provider", "google", "--on", "2026-12-01")

    assert checked.exit_code == 3
    assert "reviewed at 2 / 10" in in_one_line(checked.stdout)


@pytest.mark.parametrize("provider", VENDORS)
def test_check_of_a_vendor_that_lists_what_we_list_is_up_to_date(
    monkeypatch: pytest.MonkeyPatch, server: VendorServer, provider: LLMProvider
) -> None:
    server.models = as_listed(provider)

    checked = check(monkeypatch, server, provider)

    assert checked.exit_code == 0, checked.stdout
    assert "the vendor's own list" in checked.stdout
    assert server.requests >= 1


def test_check_takes_the_address_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, server: VendorServer
) -> None:
    server.models = as_listed(LLMProvider.OPENAI)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url(LLMProvider.OPENAI))

    checked = run_json("check", "--provider", "openai", "--on", TODAY)

    assert checked["vendors"] == {"openai": "asked"}


def test_check_is_three_when_a_model_has_gone(monkeypatch: pytest.MonkeyPatch, server: VendorServer) -> None:
    server.models = [entry for entry in as_listed(LLMProvider.OPENAI) if entry["id"] != "gpt-6-luna"]

    checked = check(monkeypatch, server, LLMProvider.OPENAI)

    assert checked.exit_code == 3
    assert "no longer lists it" in in_one_line(checked.stdout)


def test_check_is_two_when_the_vendor_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch, server: VendorServer
) -> None:
    server.broken = 500

    checked = check(monkeypatch, server, LLMProvider.ANTHROPIC)

    assert checked.exit_code == 2
    assert "answers 500" in in_one_line(checked.stdout)


def test_check_never_prints_a_key(monkeypatch: pytest.MonkeyPatch, server: VendorServer) -> None:
    checked = check(monkeypatch, server, LLMProvider.GOOGLE, key="a-key-that-is-wrong")

    assert checked.exit_code == 2
    assert "is the key right" in in_one_line(checked.stdout)
    assert "a-key-that-is-wrong" not in checked.output


def test_check_is_four_when_a_tracked_family_has_a_newer_model(
    monkeypatch: pytest.MonkeyPatch, server: VendorServer
) -> None:
    server.models = [*as_listed(LLMProvider.GOOGLE), google_model("gemini-3.9-flash")]

    checked = check(monkeypatch, server, LLMProvider.GOOGLE)

    assert checked.exit_code == 4
    assert "gemini-3.9-flash" in checked.stdout


def test_check_is_five_for_a_family_that_is_not_reviewed(
    monkeypatch: pytest.MonkeyPatch, server: VendorServer
) -> None:
    server.models = [*as_listed(LLMProvider.ANTHROPIC), anthropic_model("claude-saga-1")]

    assert check(monkeypatch, server, LLMProvider.ANTHROPIC).exit_code == 5


def test_the_most_urgent_finding_decides_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, server: VendorServer
) -> None:
    more = [anthropic_model("claude-saga-1"), anthropic_model("claude-haiku-6")]
    server.models = [*as_listed(LLMProvider.ANTHROPIC), *more]
    newer_and_unknown = check(monkeypatch, server, LLMProvider.ANTHROPIC).exit_code
    server.models = [*as_listed(LLMProvider.ANTHROPIC)[1:], *more]
    gone_as_well = check(monkeypatch, server, LLMProvider.ANTHROPIC).exit_code

    assert (newer_and_unknown, gone_as_well) == (4, 3)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--provider", "mock"), "choose from anthropic, openai, google, openrouter"),
        (("--base-url", "http://127.0.0.1:1"), "give it with --provider"),
    ],
)
def test_check_refuses_what_it_cannot_do(arguments: tuple[str, ...], reason: str) -> None:
    refused = run("check", *arguments)

    assert refused.exit_code == 2
    assert reason in in_one_line(refused.stderr)
