"""Scalars that every contract shares: money, moments, numbers and free objects."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from event_contracts import (
    CourseCode,
    JsonObject,
    Language,
    Money,
    TokenUsage,
    UtcDatetime,
    WireModel,
    course_language,
    usd,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError


class Bill(WireModel):
    amount: Money


class Moment(WireModel):
    at: UtcDatetime


class Note(WireModel):
    content: JsonObject


@given(st.decimals(min_value=0, max_value=10_000, places=9).map(usd))
def test_an_amount_is_a_json_number_and_comes_back_exactly(amount: Decimal) -> None:
    wire = Bill(amount=amount).model_dump_json()

    assert isinstance(json.loads(wire)["amount"], float)
    assert Decimal(str(json.loads(wire, parse_float=Decimal)["amount"])) == amount
    assert Bill.model_validate_json(wire).amount == amount


@given(st.just(0.0) | st.floats(min_value=1e-9, max_value=1e6))
def test_what_a_peer_computed_in_floats_is_read_to_a_billionth_of_a_dollar_and_sent_on_unchanged(
    amount: float,
) -> None:
    bill = Bill.model_validate_json(json.dumps({"amount": amount}))

    assert abs(bill.amount - Decimal(repr(amount))) <= Decimal("0.0000000005")
    assert Bill.model_validate_json(bill.model_dump_json()) == bill


@given(st.floats(min_value=0, max_value=999_999_999.0))
def test_every_amount_that_is_read_is_kept_exactly_by_the_databases_column(amount: float) -> None:
    try:
        kept = Bill.model_validate_json(json.dumps({"amount": amount})).amount
    except ValidationError:
        return

    assert kept == kept.quantize(Decimal("0.000000001"))
    assert kept < 10**9


@pytest.mark.parametrize(
    "amount", ["1e-10", "5e-324", '"1e-10"', "0.0000000001", "1e9", "1e300", '"1e999999"']
)
def test_an_amount_that_the_database_would_keep_as_another_is_refused(amount: str) -> None:
    with pytest.raises(ValidationError):
        Bill.model_validate_json(f'{{"amount": {amount}}}')


def test_an_amount_with_more_digits_than_the_wire_carries_is_refused_until_it_is_rounded() -> None:
    third = Decimal(1) / Decimal(3)

    with pytest.raises(ValidationError, match=r"round it with usd\(\)"):
        Bill(amount=third)

    assert Bill(amount=usd(third)).amount == Decimal("0.333333333")


@pytest.mark.parametrize("amount", ["-0.01", "NaN", "Infinity", "1e999"])
def test_an_amount_that_is_negative_or_not_finite_is_refused(amount: str) -> None:
    with pytest.raises(ValidationError):
        Bill(amount=Decimal(amount))


def test_a_moment_without_its_offset_is_refused() -> None:
    with pytest.raises(ValidationError):
        Moment.model_validate_json('{"at": "2026-03-02T08:15:00"}')


@pytest.mark.parametrize("at", ["1772439300", "1772439300.5", '"1772439300"', '"2026-03-02"'])
def test_a_moment_that_is_a_bare_number_or_a_day_is_refused(at: str) -> None:
    with pytest.raises(ValidationError, match="ISO 8601"):
        Moment.model_validate_json(f'{{"at": {at}}}')


def test_a_moment_elsewhere_is_kept_as_the_same_instant_in_utc() -> None:
    stockholm = datetime(2026, 3, 2, 9, 15, tzinfo=timezone(timedelta(hours=1)))

    moment = Moment(at=stockholm)

    assert moment.at == stockholm
    assert moment.at.tzinfo is UTC
    assert moment.model_dump_json() == '{"at":"2026-03-02T08:15:00Z"}'


@pytest.mark.parametrize("tokens", ['"12"', "12.5", "true", "-1", "null"])
def test_a_count_is_never_read_out_of_anything_but_a_whole_number(tokens: str) -> None:
    with pytest.raises(ValidationError):
        TokenUsage.model_validate_json(
            f'{{"prompt_tokens": {tokens}, "completion_tokens": 0, "total_tokens": 0}}'
        )


@pytest.mark.parametrize("content", ['{"a": NaN}', '{"a": [{"b": Infinity}]}'])
def test_a_free_object_holds_only_what_json_can_say(content: str) -> None:
    with pytest.raises(ValidationError, match="NaN or an infinity"):
        Note.model_validate_json(f'{{"content": {content}}}')


def test_a_value_cannot_be_changed_once_it_is_read() -> None:
    bill = Bill(amount=Decimal(1))

    with pytest.raises(ValidationError):
        bill.amount = Decimal(2)


@pytest.mark.parametrize("course", CourseCode)
def test_a_course_has_the_language_that_its_code_begins_with(course: CourseCode) -> None:
    language = course_language(course)

    assert language is (Language.SWEDISH if course.startswith("SV") else Language.ENGLISH)


@pytest.mark.parametrize("text", ["a\x00b", "half a pair: \ud83d"])
def test_a_json_object_holds_no_text_that_postgresql_cannot_store(text: str) -> None:
    adapter = TypeAdapter(JsonObject)

    for value in ({"note": text}, {text: 1}, {"list": [{"deep": text}]}):
        with pytest.raises(ValidationError, match="PostgreSQL cannot store"):
            adapter.validate_python(value)
