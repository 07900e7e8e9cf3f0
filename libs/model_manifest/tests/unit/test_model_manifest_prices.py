"""The promises of a price: exact, of the day of the call, or not known; golden figures were computed by hand."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_manifest import Model, TokenCounts, get_model, list_models, price
from model_manifest.price_list import PRICE_LIST, price_list_entry

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
PRICED = [
    model
    for model in list_models(include_deprecated=True)
    if not model.free and price_list_entry(model) is not None
]
MIN_TIER_TOKENS = 100_000


def cost(
    provider: str, model: str, usage: TokenCounts, *, at: datetime = AT, batch: bool = False
) -> Decimal | None:
    return price(get_model(provider, model), usage, at=at, batch=batch).amount


@pytest.mark.parametrize(
    ("provider", "model", "usage", "dollars"),
    [
        # 2,000 × 0.10 + 120 × 0.50, per million
        ("anthropic", "claude-haiku-5-5", TokenCounts(input=2_000, output=120), "0.00026"),
        # 300 × 2 + 1,500 × 0.10 (read) + 200 × 2.50 (kept 5 minutes) + 400 × 10, per million
        (
            "anthropic",
            "claude-sonnet-5-5",
            TokenCounts(input=2_000, output=400, cache_read=1_500, cache_write=200),
            "0.00525",
        ),
        # 300 × 2 + 1,500 × 2 × 2 (kept an hour) + 200 × 2.50 (kept 5 minutes) + 400 × 10, per million
        (
            "anthropic",
            "claude-sonnet-5-5",
            TokenCounts(input=2_000, output=400, cache_write=1_700, cache_write_1h=1_500),
            "0.0111",
        ),
        # 500 × 1 + 1,000 × 0.05 (read) + 500 × 1.25 (written) + 900 × 5, per million
        (
            "openai",
            "gpt-6.1-terra",
            TokenCounts(input=2_000, output=900, cache_read=1_000, cache_write=500),
            "0.005675",
        ),
        # 1,500 × 0.75 + 500 × 0.075 (read) + 1,000 × 3.75, per million
        ("google", "gemini-3.8-flash", TokenCounts(input=2_000, output=1_000, cache_read=500), "0.0049125"),
        # 2,000 × 1.50 + 120 × 7.50, per million
        ("openrouter", "mistralai/mistral-medium-3-5", TokenCounts(input=2_000, output=120), "0.0039"),
    ],
)
def test_a_price_is_the_lists_to_the_last_digit(
    provider: str, model: str, usage: TokenCounts, dollars: str
) -> None:
    assert cost(provider, model, usage) == Decimal(dollars)


def test_a_batch_costs_half_where_the_vendor_says_so() -> None:
    # half of 300 × 2 + 1,500 × 0.10 + 200 × 2.50 + 400 × 10, per million
    usage = TokenCounts(input=2_000, output=400, cache_read=1_500, cache_write=200)

    paid = cost("anthropic", "claude-sonnet-5-5", usage, batch=True)

    assert paid == Decimal("0.002625")


def test_what_a_batch_reads_from_a_cache_is_not_halved_where_the_vendor_does_not() -> None:
    # 1,500 × 1 + 500 × 0.50 (read, as ever) + 100 × 4, per million
    paid = cost("openai", "gpt-4.1", TokenCounts(input=2_000, output=100, cache_read=500), batch=True)

    assert paid == Decimal("0.00215")


def test_a_long_prompt_costs_more_for_every_token_of_it() -> None:
    short = cost("anthropic", "claude-haiku-5-5", TokenCounts(input=100_000, output=1_000))
    long = cost("anthropic", "claude-haiku-5-5", TokenCounts(input=100_001, output=1_000))

    assert short == Decimal("0.0105")
    assert long == Decimal("0.0525005")


def test_a_call_costs_what_held_on_its_day() -> None:
    last_of_november = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    first_of_december = datetime(2026, 12, 1, tzinfo=UTC)

    assert cost(
        "google", "gemini-4-argon", TokenCounts(input=1_000, output=100), at=last_of_november
    ) == Decimal("0.003")
    assert cost(
        "google", "gemini-4-argon", TokenCounts(input=1_000, output=100), at=first_of_december
    ) == Decimal("0.006")


def test_a_judge_that_costs_nothing_costs_nothing() -> None:
    paid = price(get_model("replay", "replay-judge-1"), TokenCounts(input=1, output=1))

    assert (paid.amount, paid.price_list) == (Decimal(0), "free")


def test_an_unknown_price_is_none_with_a_warning_never_zero() -> None:
    unknown = get_model("openai_compatible", "qwen3-8b")

    paid = price(unknown, TokenCounts(input=1_000, output=10), at=AT)

    assert paid.amount is None
    assert paid.price_list == PRICE_LIST
    assert paid.warning is not None
    assert "openai_compatible/qwen3-8b" in paid.warning


def test_an_id_that_only_looks_like_one_in_the_list_has_no_price() -> None:
    lookalike = get_model("openai", "gpt-6-luna").model_copy(update={"id": "gpt-6-luna-2027"})

    assert price(lookalike, TokenCounts(input=1_000, output=10), at=AT).amount is None


def test_a_batch_without_a_batch_price_is_not_known_rather_than_the_full_price() -> None:
    assert cost("google", "gemini-3.7-flash", TokenCounts(input=1_000, output=10), batch=True) is None


def test_a_batch_of_before_the_list_has_batch_prices_is_not_known() -> None:
    before = datetime(2026, 10, 13, tzinfo=UTC)

    assert (
        cost("anthropic", "claude-haiku-5-5", TokenCounts(input=1_000, output=10), at=before, batch=True)
        is None
    )


def test_one_hour_cache_price_is_unknown_when_not_listed() -> None:
    model = get_model("openrouter", "anthropic/claude-sonnet-5.5")

    paid = price(model, TokenCounts(input=100, output=1, cache_write=50, cache_write_1h=50), at=AT)

    assert paid.amount is None
    assert paid.warning is not None
    assert "for an hour" in paid.warning


def test_usage_that_contradicts_itself_has_no_price() -> None:
    paid = price(get_model("anthropic", "claude-haiku-5-5"), TokenCounts(input=10, output=1, cache_read=11))

    assert paid.amount is None
    assert paid.warning is not None
    assert "cache_read_tokens" in paid.warning


def test_after_preloading_a_price_is_read_from_memory() -> None:
    code = (
        "import sys, model_manifest as m; m.preload(); loaded = set(sys.modules);"
        "m.price(m.default_model('openai'), m.TokenCounts(input=1, output=1));"
        "sys.exit(bool(set(sys.modules) - loaded))"
    )

    finished = subprocess.run([sys.executable, "-c", code], check=False)

    assert finished.returncode == 0


@st.composite
def usages(draw: st.DrawFn) -> TokenCounts:
    fresh, read, five, hour = (draw(st.integers(0, MIN_TIER_TOKENS // 8)) for _ in range(4))
    return TokenCounts(
        input=fresh + read + five + hour,
        output=draw(st.integers(0, 100_000)),
        cache_read=read,
        cache_write=five + hour,
        cache_write_1h=hour,
    )


def together(one: TokenCounts, other: TokenCounts) -> TokenCounts:
    return TokenCounts(
        input=one.input + other.input,
        output=one.output + other.output,
        cache_read=one.cache_read + other.cache_read,
        cache_write=one.cache_write + other.cache_write,
        cache_write_1h=one.cache_write_1h + other.cache_write_1h,
    )


ANTHROPIC = [model for model in PRICED if model.provider == "anthropic"]


@given(model=st.sampled_from(ANTHROPIC), one=usages(), other=usages())
def test_the_price_of_a_sum_is_the_sum_of_the_prices(
    model: Model, one: TokenCounts, other: TokenCounts
) -> None:
    apart = [price(model, usage, at=AT).amount for usage in (one, other)]
    sum_of_both = price(model, together(one, other), at=AT).amount

    assert None not in apart
    assert sum_of_both == sum(amount for amount in apart if amount is not None)


@given(model=st.sampled_from(ANTHROPIC), usage=usages())
def test_a_price_is_every_token_at_its_rate_and_nothing_rounded(model: Model, usage: TokenCounts) -> None:
    entry = price_list_entry(model)
    rates = None if entry is None else entry.rates(AT)
    assert rates is not None
    assert None not in (rates.cache_read, rates.cache_write, rates.cache_write_1h)

    amount = price(model, usage, at=AT).amount

    fresh = usage.input - usage.cache_read - usage.cache_write
    five_minutes = usage.cache_write - usage.cache_write_1h
    by_hand = (
        fresh * Fraction(rates.input)
        + usage.output * Fraction(rates.output)
        + usage.cache_read * Fraction(rates.cache_read or 0)
        + five_minutes * Fraction(rates.cache_write or 0)
        + usage.cache_write_1h * Fraction(rates.cache_write_1h or 0)
    ) / 1_000_000
    assert amount is not None
    assert Fraction(amount) == by_hand


@pytest.mark.parametrize(
    "model", [m for m in PRICED if m.reviewed_price is not None], ids=lambda model: model.full_name
)
def test_every_reviewed_price_is_what_a_call_is_billed(model: Model) -> None:
    million = Decimal(1_000_000)
    assert model.reviewed_price is not None

    amount = price(model, TokenCounts(input=1_000, output=100), at=AT).amount

    assert amount == (model.reviewed_price.input * 1_000 + model.reviewed_price.output * 100) / million
