"""What the field types accept can be kept and handled, and every model is made of them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import pytest
from event_contracts import (
    MAX_JSON_DEPTH,
    MAX_JSON_VALUES,
    Count,
    Identifier,
    JsonObject,
    LargeCount,
    LongText,
    Name,
    SuiteError,
    Text,
    UtcDatetime,
    WireModel,
    check_json,
)
from event_contracts.base import OpenModel
from event_contracts.tests.walking import bare_types
from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError, create_model


def models(base: type[BaseModel] = WireModel) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        if model.__module__.startswith("event_contracts.") and ".tests." not in model.__module__:
            if not getattr(model, "__pydantic_generic_metadata__", {}).get("args"):
                yield model
            yield from models(model)


def nested(depth: int, leaf: JsonValue = 1) -> JsonValue:
    value = leaf
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return value


@pytest.mark.parametrize("model", sorted(set(models()), key=str))
def test_no_model_has_a_field_without_bounds(model: type[BaseModel]) -> None:
    assert list(bare_types(model)) == []
    assert model.model_config["extra"] == "ignore" or issubclass(model, OpenModel), "added keys are bounded"


@pytest.mark.parametrize(
    "bare",
    [
        str,
        int,
        float,
        Any,
        dict[str, Identifier],
        dict[Identifier, int],
        tuple[Identifier, ...],
        Identifier | str,
        Annotated[tuple[int, Identifier], "two"],
        list[Identifier] | None,
        JsonValue,
    ],
    ids=str,
)
def test_the_walk_finds_every_kind_of_field_without_bounds(bare: Any) -> None:
    inner: Any = create_model("Inner", __base__=WireModel, field=(bare, ...))
    outer = create_model("Outer", __base__=WireModel, inner=(inner | None, None))

    assert list(bare_types(outer))


@pytest.mark.parametrize(
    "value", ["a", "batch 7", "é", "😀", "a:b|c@d", ".hidden", "...", "a" * 255, "%00", "?#"]
)
def test_an_identifier_is_up_to_255_printable_characters(value: str) -> None:
    assert TypeAdapter(Identifier).validate_python(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\x00",
        "a\nb",
        "tab\t",
        "\x7f",
        "\u200b",
        "\u2028",
        "\ud800",
        "\ufeffa",
        "a" * 256,
        7,
        None,
    ],
)
def test_an_identifier_that_no_index_keeps_or_no_path_carries_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Identifier).validate_python(value)


def test_a_name_may_hold_a_slash() -> None:
    assert TypeAdapter(Name).validate_python("openai/gpt-5") == "openai/gpt-5"


@pytest.mark.parametrize("text", ["a\x00b", "half a pair \ud83d", "\udc00"])
@pytest.mark.parametrize("kind", [Text, LongText])
def test_text_that_no_database_keeps_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize(("kind", "largest"), [(Count, 2**31 - 1), (LargeCount, 2**63 - 1)])
def test_a_count_fits_its_column(kind: Any, largest: int) -> None:
    assert TypeAdapter(kind).validate_python(largest) == largest
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(largest + 1)


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "9999-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T00:00:00+99:00",
    ],
)
def test_a_moment_outside_the_calendar_is_refused(moment: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(UtcDatetime).validate_python(moment)


def test_the_first_moment_of_the_calendar_is_read() -> None:
    read = TypeAdapter(UtcDatetime).validate_python("0001-01-01T00:00:00Z")

    assert read == datetime(1, 1, 1, tzinfo=UTC)


def test_a_json_object_may_be_32_levels_deep_and_no_deeper() -> None:
    adapter: TypeAdapter[JsonObject] = TypeAdapter(JsonObject)

    assert adapter.validate_python({"a": nested(MAX_JSON_DEPTH - 1)})
    with pytest.raises(ValidationError, match="levels deep"):
        adapter.validate_python({"a": nested(MAX_JSON_DEPTH)})


@pytest.mark.parametrize(
    "value",
    [
        {"a": 2**63},
        {"a": -(2**63)},
        {"a": [{"b": 10**400}]},
        {"a": float("inf")},
        {"a": [1] * (MAX_JSON_VALUES + 1)},
        {"a": "x" * 2_000_001},
        {"x" * 2_000_001: 1},
        {"a": nested(100)},
        {"a": nested(100_000)},
    ],
    ids=["64 bits", "-64 bits", "400 digits", "infinite", "many", "long", "long key", "deep", "very deep"],
)
def test_a_json_object_that_cannot_be_kept_is_refused(value: JsonValue) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(JsonObject).validate_python(value)


def test_checking_json_takes_time_in_proportion_to_its_size() -> None:
    def seconds(values: int) -> float:
        value: JsonValue = [[index, str(index)] for index in range(values // 3)]
        times = []
        for _ in range(5):
            started = time.perf_counter()
            check_json(value)
            times.append(time.perf_counter() - started)
        return min(times)

    assert seconds(80_000) < 6 * seconds(40_000)


def test_an_error_is_reported_whatever_its_message_and_details_hold() -> None:
    error = SuiteError("x\x00\ud800" * 100_000, details={"deep": nested(500), "huge": 10**400})

    detail = error.detail(service="s", operation="o", correlation_id=UUID(int=1))

    assert len(detail.message) < 2_100
    assert "characters)" in detail.message
    assert "details_left_out" in detail.details
    assert len(detail.model_dump_json()) < 4_000
