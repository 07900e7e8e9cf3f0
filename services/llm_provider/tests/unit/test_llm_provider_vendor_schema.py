"""The schema that vendors are sent refuses no answer that we accept, and every vendor knows its keywords."""

import re
from collections.abc import Iterator
from typing import Final

import pytest
from event_contracts import LABEL_A, LABEL_B, MAX_JUSTIFICATION, JsonObject
from event_contracts.judging import ASKED_SCHEMA, MARGINS
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from llm_provider.adapters.vendor_api.answer_schema import PORTABLE_SCHEMA, portable
from pydantic import JsonValue

OPENAI_STRICT: Final = frozenset(
    {"type", "properties", "required", "additionalProperties", "enum", "description", "anyOf", "items"}
    | {"$ref", "$defs", "pattern", "format", "multipleOf", "minItems", "maxItems"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
)
"""What https://developers.openai.com/api/docs/guides/structured-outputs lists for ``strict``."""

answers = st.fixed_dictionaries(
    {
        "winner": st.sampled_from([LABEL_A, LABEL_B]),
        "margin": st.sampled_from(MARGINS),
        "justification": st.text(max_size=MAX_JUSTIFICATION),
        "confidence": st.integers(1, 5),
    }
)


def keywords(schema: JsonValue) -> Iterator[str]:
    """The keywords of a schema, without the names of properties."""
    assert isinstance(schema, dict)
    yield from schema
    properties = schema.get("properties", {})
    assert isinstance(properties, dict)
    for part in properties.values():
        yield from keywords(part)


@given(answers)
def test_whatever_we_accept_the_vendors_let_a_model_write(answer: JsonObject) -> None:
    assert Draft202012Validator(ASKED_SCHEMA).is_valid(answer)

    assert Draft202012Validator(PORTABLE_SCHEMA).is_valid(answer)


@given(answers, st.sampled_from(["winner", "margin", "confidence"]), st.integers() | st.text() | st.none())
def test_the_vendors_enforce_who_may_win_and_how_sure_a_judge_may_be(
    answer: JsonObject, field: str, value: JsonValue
) -> None:
    wrong = {**answer, field: value}

    assert Draft202012Validator(PORTABLE_SCHEMA).is_valid(wrong) == Draft202012Validator(
        ASKED_SCHEMA
    ).is_valid(wrong)


@pytest.mark.parametrize("field", ["winner", "margin", "justification", "confidence"])
def test_the_vendors_enforce_that_every_field_is_there_and_no_other(field: str) -> None:
    answer: JsonObject = {"winner": LABEL_A, "margin": MARGINS[0], "justification": "", "confidence": 1}
    validator = Draft202012Validator(PORTABLE_SCHEMA)

    assert validator.is_valid(answer)
    assert not validator.is_valid({**answer, "grade": "A"})
    assert not validator.is_valid({name: value for name, value in answer.items() if name != field})


def test_openai_knows_every_keyword_and_requires_what_strict_requires() -> None:
    assert set(keywords(PORTABLE_SCHEMA)) <= OPENAI_STRICT
    assert PORTABLE_SCHEMA["additionalProperties"] is False
    properties = PORTABLE_SCHEMA["properties"]
    assert isinstance(properties, dict)
    assert PORTABLE_SCHEMA["required"] == list(properties)


def test_google_knows_every_keyword() -> None:
    # Imported here: every test process loads this module, and an SDK takes a second.
    from google.genai.types import GenerateContentConfig

    documented = GenerateContentConfig.model_fields["response_json_schema"].description or ""

    assert set(keywords(PORTABLE_SCHEMA)) <= set(re.findall(r"`([^`]+)`", documented))


def test_anthropics_sdk_would_take_nothing_out_of_it() -> None:
    from anthropic.lib._parse._transform import transform_schema

    transformed = transform_schema(PORTABLE_SCHEMA)

    # What the SDK finds that the vendor does not enforce, it moves into the descriptions.
    assert sorted(without_types(transformed)) == sorted(without_types(PORTABLE_SCHEMA))
    assert "{" not in "".join(descriptions(transformed))


def without_types(schema: JsonValue) -> Iterator[str]:
    return (keyword for keyword in keywords(schema) if keyword != "type")


def descriptions(schema: JsonValue) -> Iterator[str]:
    assert isinstance(schema, dict)
    yield str(schema.get("description", ""))
    properties = schema.get("properties", {})
    assert isinstance(properties, dict)
    for part in properties.values():
        yield from descriptions(part)


def test_what_no_vendor_enforces_is_told_to_the_model() -> None:
    assert f"At most {MAX_JUSTIFICATION} characters." in list(descriptions(PORTABLE_SCHEMA))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^E"},
        {"type": "integer", "minimum": 1},
        {"type": "integer", "minimum": 1, "maximum": 1_000},
        {"type": "number", "multipleOf": 0.5},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}},
        {"type": "object", "properties": {"a": True}},
    ],
)
def test_a_constraint_that_has_no_portable_form_is_never_dropped_unseen(schema: JsonObject) -> None:
    with pytest.raises(ValueError):
        portable(schema)
