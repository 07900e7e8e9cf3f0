"""The promises of a check: it finds what is no longer true, and is silent about the rest."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest
from event_contracts import LLMProvider, ReasoningEffort
from model_manifest import ReviewedPrice
from model_manifest.checking import (
    Finding,
    Severity,
    coming_retirements,
    compare_with_price_list,
    compare_with_vendor,
)
from model_manifest.manifest import Manifest, manifest
from model_manifest.vendor_lists import VENDORS, ListedModel

TODAY = date(2026, 11, 24)
LUNA = "gpt-6-luna"
HAIKU = "claude-haiku-5-5"


def with_change(model_id: str, **change: object) -> Manifest:
    """The manifest with one model that says something else."""
    models = tuple(
        model.model_copy(update=change) if model.id == model_id else model for model in manifest().models
    )
    return Manifest(models=models, families=manifest().families)


def without(*model_ids: str) -> Manifest:
    models = tuple(model for model in manifest().models if model.id not in model_ids)
    return Manifest(models=models, families=manifest().families)


def serious(findings: Sequence[Finding]) -> list[tuple[Severity, str | None]]:
    return [(found.severity, found.model) for found in findings if found.severity is not Severity.NOTICE]


def as_listed(provider: LLMProvider, *, today: date = TODAY) -> list[ListedModel]:
    """A vendor's list that says exactly what the manifest says."""
    return [
        ListedModel(id=model.id, deprecated=model.deprecated, retires=model.retires)
        for model in manifest().models
        if model.provider == provider and not model.is_retired(today)
    ]


def against_vendor(
    provider: LLMProvider, listed: Sequence[ListedModel], *, ours: Manifest | None = None
) -> tuple[Finding, ...]:
    return compare_with_vendor(ours or manifest(), provider, listed, today=TODAY)


def one_listed(model_id: str, **says: object) -> list[ListedModel]:
    """Anthropic's list as the manifest has it, but for what one model is said to be."""
    rest = [model for model in as_listed(LLMProvider.ANTHROPIC) if model.id != model_id]
    return [*rest, ListedModel(id=model_id, **says)]  # type: ignore[arg-type]  # each test names its own field


@pytest.mark.parametrize("provider", VENDORS)
def test_the_manifest_agrees_with_the_price_list_of_today(provider: LLMProvider) -> None:
    assert serious(compare_with_price_list(manifest(), provider, today=TODAY)) == []


def test_a_price_that_was_not_reviewed_is_breaking() -> None:
    ours = with_change(LUNA, reviewed_price=ReviewedPrice(input=Decimal("0.2"), output=Decimal("0.5")))

    findings = compare_with_price_list(ours, LLMProvider.OPENAI, today=TODAY)

    assert serious(findings) == [(Severity.BREAKING, LUNA)]


def test_a_price_that_changes_is_announced_before_and_breaking_after() -> None:
    before = compare_with_price_list(manifest(), LLMProvider.GOOGLE, today=date(2026, 11, 30))
    after = compare_with_price_list(manifest(), LLMProvider.GOOGLE, today=date(2026, 12, 1))

    announced = [found.message for found in before if found.model == "gemini-4-argon"]
    assert announced == ["costs 4 / 20 from 2026-12-01 on"]
    assert (Severity.BREAKING, "gemini-4-argon") in serious(after)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"context_window": 900_000}, "context"),
        ({"batch_api": False}, "batch"),
        ({"price_id": "gpt-6-lunar"}, "price_id"),
    ],
)
def test_what_the_price_list_says_differently_is_breaking(change: dict[str, object], said: str) -> None:
    findings = compare_with_price_list(with_change(LUNA, **change), LLMProvider.OPENAI, today=TODAY)

    ((severity, message),) = [(f.severity, f.message) for f in findings if f.model == LUNA]
    assert severity is Severity.BREAKING
    assert said in message


def test_a_batch_price_that_the_list_does_not_have_is_breaking() -> None:
    ours = with_change("gemini-3.7-flash", batch_api=True)

    findings = compare_with_price_list(ours, LLMProvider.GOOGLE, today=TODAY)

    assert serious(findings) == [(Severity.BREAKING, "gemini-3.7-flash")]


def test_a_model_that_only_the_price_list_calls_deprecated_is_breaking() -> None:
    ours = with_change("gemini-2.0-flash", retires=None, deprecated=False)

    findings = compare_with_price_list(ours, LLMProvider.GOOGLE, today=TODAY)

    assert (Severity.BREAKING, "gemini-2.0-flash") in serious(findings)


def test_a_model_too_new_for_the_price_list_is_a_notice() -> None:
    findings = compare_with_price_list(manifest(), LLMProvider.OPENAI, today=TODAY)

    noticed = {found.model for found in findings if found.severity is Severity.NOTICE}
    assert {"gpt-6.2-sol", "gpt-6.2-astra"} <= noticed


def test_a_newer_model_of_a_tracked_family_in_the_price_list_is_found() -> None:
    findings = compare_with_price_list(without("claude-haiku-5-5"), LLMProvider.ANTHROPIC, today=TODAY)

    assert serious(findings) == [(Severity.NEWER, "claude-haiku-5-5")]


def test_a_retirement_is_a_notice_thirty_days_ahead() -> None:
    early = coming_retirements(LLMProvider.GOOGLE, today=date(2026, 10, 31))
    (late,) = coming_retirements(LLMProvider.GOOGLE, today=date(2026, 11, 1))

    assert early == ()
    assert (late.severity, late.model) == (Severity.NOTICE, "gemini-2.5-flash")


@pytest.mark.parametrize("provider", VENDORS)
def test_a_vendor_that_lists_what_we_list_gives_nothing_to_do(provider: LLMProvider) -> None:
    assert against_vendor(provider, as_listed(provider)) == ()


def test_a_model_that_the_vendor_does_not_list_any_more_is_breaking() -> None:
    listed = [model for model in as_listed(LLMProvider.ANTHROPIC) if model.id != HAIKU]

    assert serious(against_vendor(LLMProvider.ANTHROPIC, listed)) == [(Severity.BREAKING, HAIKU)]


def test_a_model_of_ours_that_is_retired_need_not_be_listed() -> None:
    listed = as_listed(LLMProvider.ANTHROPIC)

    assert "claude-opus-4-1-20250805" not in {model.id for model in listed}
    assert against_vendor(LLMProvider.ANTHROPIC, listed) == ()


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ({"retired": True}, "retired"),
        ({"retires": date(2026, 11, 24)}, "has retired it on 2026-11-24"),
        ({"retires": date(2027, 3, 1)}, "2027-03-01: no date in the manifest"),
        ({"deprecated": True}, "deprecated"),
        ({"context_window": 200_000}, "200,000 at the vendor"),
        ({"output_limit": 64_000}, "64,000 at the vendor"),
        ({"batch_api": False}, "batch"),
        ({"efforts": frozenset({ReasoningEffort.LOW, ReasoningEffort.HIGH})}, "effort medium"),
        ({"input_price": Decimal("0.2"), "output_price": Decimal("0.5")}, "0.2 / 0.5 at the vendor"),
    ],
)
def test_what_the_vendor_does_not_do_any_more_is_breaking(says: dict[str, object], said: str) -> None:
    (finding,) = against_vendor(LLMProvider.ANTHROPIC, one_listed(HAIKU, **says))

    assert (finding.severity, finding.model) == (Severity.BREAKING, HAIKU)
    assert said in finding.message


def test_more_than_we_say_is_a_notice() -> None:
    (finding,) = against_vendor(LLMProvider.ANTHROPIC, one_listed(HAIKU, context_window=2_000_000))

    assert finding.severity is Severity.NOTICE


def test_a_binary_million_is_the_same_million() -> None:
    assert against_vendor(LLMProvider.ANTHROPIC, one_listed(HAIKU, context_window=1_048_576)) == ()


@pytest.mark.parametrize(
    ("model_id", "severity"),
    [
        ("claude-haiku-6", Severity.NEWER),
        ("claude-haiku-5-6-20270101", Severity.NEWER),
        ("claude-haiku-3-9", None),
        ("claude-haiku-4-5", None),
        ("claude-mythos-6", None),
        ("claude-saga-1", Severity.UNKNOWN_FAMILY),
    ],
)
def test_a_model_that_we_do_not_have_is_judged_by_its_family(
    model_id: str, severity: Severity | None
) -> None:
    listed = [*as_listed(LLMProvider.ANTHROPIC), ListedModel(id=model_id)]

    found = serious(against_vendor(LLMProvider.ANTHROPIC, listed))

    assert found == ([] if severity is None else [(severity, model_id)])


@pytest.mark.parametrize(
    ("provider", "model_ids"),
    [
        (
            LLMProvider.OPENAI,
            "gpt-5-mini o3 chatgpt-4o-latest gpt-5.3-codex gpt-6-cyber gpt-realtime-2 text-embedding-3-small"
            " whisper-1 sora-2 omni-moderation-latest gpt-4o-mini gpt-6-luna-2026-09-22 ft:gpt-4o:school",
        ),
        (
            LLMProvider.GOOGLE,
            "gemma-4-31b-it imagen-4 veo-3 gemini-3.8-flash-tts gemini-flash-latest gemini-2.5-pro"
            " gemini-3.1-flash-image text-embedding-004 gemini-3.8-live aqa gemini-3.1-pro-preview-customtools",
        ),
        (LLMProvider.OPENROUTER, "meta-llama/llama-4-scout anthropic/claude-haiku-4.5 openrouter/auto"),
    ],
)
def test_models_that_cannot_judge_texts_are_skipped(provider: LLMProvider, model_ids: str) -> None:
    listed = [*as_listed(provider), *(ListedModel(id=model_id) for model_id in model_ids.split())]

    assert serious(against_vendor(provider, listed)) == []


@pytest.mark.parametrize(
    ("provider", "model_id"),
    [
        (LLMProvider.OPENAI, "gpt-7-luna"),
        (LLMProvider.OPENAI, "gpt-6.2-terra"),
        (LLMProvider.GOOGLE, "gemini-3.9-flash"),
        (LLMProvider.GOOGLE, "gemini-4.1-argon"),
        (LLMProvider.OPENROUTER, "anthropic/claude-haiku-6"),
    ],
)
def test_the_next_model_of_every_vendor_would_be_noticed(provider: LLMProvider, model_id: str) -> None:
    listed = [*as_listed(provider), ListedModel(id=model_id)]

    assert serious(against_vendor(provider, listed)) == [(Severity.NEWER, model_id)]
