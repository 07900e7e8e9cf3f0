"""Prices that are written down by hand: exact, dated, and never mistaken for the list's."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from model_manifest import TokenCounts, get_model, price
from model_manifest.checking import Severity, compare_with_price_list
from model_manifest.manifest import manifest
from model_manifest.own_price import OwnPrice
from model_manifest.price_list import rates_on
from pydantic import ValidationError

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
MILLION = 1_000_000


def test_a_model_that_the_list_does_not_have_costs_what_is_written_down() -> None:
    usage = TokenCounts(input=100_000, output=10_000, cache_read=40_000, cache_write=20_000)

    paid = price(get_model("openai", "gpt-6.2-sol"), usage, at=AT)

    assert paid.price_list == "own"
    assert (
        paid.amount
        == (Decimal(40_000) * 2 + 40_000 * Decimal("0.10") + 20_000 * Decimal("2.5") + 10_000 * 10) / MILLION
    )


def test_a_batch_costs_half_and_a_long_prompt_more() -> None:
    sol = get_model("openai", "gpt-6.2-sol")

    half = price(sol, TokenCounts(input=1_000, output=100), at=AT, batch=True)
    long = price(sol, TokenCounts(input=300_000, output=1_000), at=AT)

    assert half.amount == Decimal("0.0015")
    assert long.amount == (Decimal(300_000) * 4 + 1_000 * 15) / MILLION


def test_a_price_holds_from_its_day_on() -> None:
    carbon = get_model("google", "gemini-4-carbon")

    november, december = rates_on(carbon, date(2026, 11, 30)), rates_on(carbon, date(2026, 12, 1))

    assert november is not None
    assert december is not None
    assert (november.input, november.output) == (Decimal(2), Decimal(10))
    assert (december.input, december.output) == (Decimal(4), Decimal(20))


def test_a_batch_price_that_nobody_has_written_down_is_unknown() -> None:
    paid = price(get_model("google", "gemini-4-carbon"), TokenCounts(input=1, output=1), at=AT, batch=True)

    assert paid.amount is None
    assert paid.warning is not None


def test_more_cached_than_read_cannot_be_priced() -> None:
    paid = price(get_model("openai", "gpt-6.2-sol"), TokenCounts(input=1, output=1, cache_read=2), at=AT)

    assert paid.amount is None


@pytest.mark.parametrize("wrong", [{"input": -1}, {"batch": 2}, {"cache_write_1h": 3}, {"input": "NaN"}])
def test_a_price_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OwnPrice.model_validate({"input": 1, "output": 2, **wrong})


def test_any_model_of_openrouters_price_list_can_judge_at_its_price() -> None:
    model = get_model("openrouter", "mistralai/mistral-large-2512")

    paid = price(model, TokenCounts(input=MILLION, output=0), at=AT)

    assert paid.amount == Decimal("0.5")


def test_a_price_written_down_is_a_notice_until_the_list_has_the_model() -> None:
    found = compare_with_price_list(manifest(), "openai", today=AT.date())

    about = [finding for finding in found if finding.model == "gpt-6.2-sol"]
    assert [finding.severity for finding in about] == [Severity.NOTICE]
