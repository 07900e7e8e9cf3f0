"""The fingerprint of a prompt: the same for the same question, another for another."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypedDict

import pytest
from event_contracts import InvalidRequest, canonical_json, prompt_sha256
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import JsonValue


class Question(TypedDict):
    system_text: str | None
    user_blocks: Sequence[str]
    answer_schema: Mapping[str, JsonValue] | None
    provider: str
    model: str
    parameters: Mapping[str, JsonValue]


QUESTION: Question = {
    "system_text": "You compare two essays.",
    "user_blocks": ["Essay A", "Essay B – på svenska"],
    "answer_schema": {"type": "object", "required": ["winner"]},
    "provider": "anthropic",
    "model": "claude-haiku-4-5",
    "parameters": {"temperature": 0.0, "max_tokens": 600, "reasoning_effort": None},
}
CANONICAL = (
    '{"answer_schema":{"required":["winner"],"type":"object"},"model":"claude-haiku-4-5",'
    '"parameters":{"max_tokens":600,"reasoning_effort":null,"temperature":0},"provider":"anthropic",'
    '"system_text":"You compare two essays.","user_blocks":["Essay A","Essay B – på svenska"]}'
)

text = st.text(max_size=9) | st.text('\x00\x1f\x7f\b\f\n\r\t"\\/\u2028é𝄞', max_size=9)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | text
parameters = st.dictionaries(text, scalars | st.lists(scalars, max_size=3), max_size=5)
questions = st.fixed_dictionaries(
    {
        "system_text": st.none() | text,
        "user_blocks": st.lists(text, max_size=3),
        "answer_schema": st.none() | parameters,
        "provider": text,
        "model": text,
        "parameters": parameters,
    }
)


def backwards(value: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return dict(reversed(list(value.items())))


def digest(question: Question) -> str:
    return prompt_sha256(**question)


def test_the_fingerprint_is_the_sha256_of_the_canonical_json() -> None:
    assert digest(QUESTION) == hashlib.sha256(CANONICAL.encode()).hexdigest()
    assert digest(QUESTION) == "b8d256fa25e7277063016e4cfe5c609eba964ea641fd54f0098de9982be62155"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1, "a": [True, None]}, b'{"a":[true,null],"b":1}'),
        (1.0, b"1"),
        (-0.0, b"0"),
        (0.7, b"0.7"),
        (1e-7, b"1e-07"),
        ('å\n"', 'å\\n\\"'.join('""').encode()),
        ({"ä": 1, "z": 2, "A": 3}, '{"A":3,"z":2,"ä":1}'.encode()),
    ],
)
def test_there_is_one_way_to_write_a_value(value: JsonValue, written: bytes) -> None:
    assert canonical_json(value) == written


@given(questions)
def test_every_fingerprint_is_the_sha256_of_the_canonical_json(question: Question) -> None:
    canonical = canonical_json(dict(question))  # type: ignore[arg-type]  # JSON all through

    assert digest(question) == hashlib.sha256(canonical).hexdigest()


@given(questions)
def test_the_order_of_keys_does_not_matter(question: Question) -> None:
    turned: Question = {
        **question,
        "parameters": backwards(question["parameters"]),
        "answer_schema": question["answer_schema"] and backwards(question["answer_schema"]),
    }

    assert digest(turned) == digest(question)


@given(questions, questions, st.sampled_from(sorted(QUESTION)))
def test_any_change_changes_the_fingerprint(question: Question, other: Question, part: str) -> None:
    changed: Question = {**question, part: other[part]}  # type: ignore[misc]  # one of its keys
    assume(canonical_json(dict(changed)) != canonical_json(dict(question)))  # type: ignore[arg-type]  # JSON all through

    assert digest(changed) != digest(question)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), "\ud800"])
def test_a_value_that_json_cannot_represent_is_refused(broken: JsonValue) -> None:
    question: Question = {**QUESTION, "parameters": {"temperature": broken}}

    with pytest.raises(InvalidRequest, match="plain JSON"):
        digest(question)


@pytest.mark.parametrize("part", ["system_text", "user_blocks"])
def test_text_that_utf8_cannot_encode_is_refused(part: str) -> None:
    broken: Question = {**QUESTION, part: "\ud800" if part == "system_text" else ["\ud800"]}  # type: ignore[misc]  # one of its keys

    with pytest.raises(InvalidRequest, match="plain JSON"):
        digest(broken)


def test_two_spellings_of_one_letter_are_two_prompts() -> None:
    composed, decomposed = "\u00e5", "a\u030a"

    assert digest({**QUESTION, "system_text": composed}) != digest({**QUESTION, "system_text": decomposed})
