"""An answer that fits the schema is a vote; everything else is an error that says what is wrong with it."""

import json

import pytest
from event_contracts import ANSWER_SCHEMA, MAX_JUSTIFICATION, ErrorCode, Winner
from event_contracts.judging import MARGINS
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from llm_provider.domain.calls.answer import Defect, InvalidAnswer, Verdict, read_verdict
from pydantic import JsonValue

GOOD = {"winner": "Essay A", "justification": "It stays closer to the task.", "confidence": 4}
SCHEMA = Draft202012Validator(ANSWER_SCHEMA)

near_misses = st.fixed_dictionaries(
    {
        "winner": st.sampled_from(["Essay A", "Essay B", "essay a", "A", "", "Essay C", "tie", None, 1]),
        "justification": st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=520)
        | st.integers()
        | st.none(),
        "confidence": st.integers(-1, 7) | st.floats(0, 6) | st.booleans() | st.just("4") | st.none(),
    },
    optional={
        "reasoning": st.text(max_size=5),
        "margin": st.sampled_from([*MARGINS, "much better", "", None, 2]),
    },
)
anything = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=10,
)


def is_vote(text: str) -> bool:
    try:
        read_verdict(text)
    except InvalidAnswer:
        return False
    return True


def defect_of(text: str, *, may_truncate: bool = False) -> Defect:
    with pytest.raises(InvalidAnswer) as raised:
        read_verdict(text, may_truncate=may_truncate)
    return raised.value.defect


@pytest.mark.parametrize(("said", "margin"), [(MARGINS[0], 1), (MARGINS[1], 2), (MARGINS[2], 3)])
def test_a_margin_is_one_of_three_steps(said: str, margin: int) -> None:
    assert read_verdict(json.dumps({**GOOD, "margin": said})).margin == margin


def test_an_answer_without_a_margin_is_a_vote_without_one() -> None:
    assert read_verdict(json.dumps(GOOD)).margin is None


def test_an_answer_that_fits_is_the_vote_it_says() -> None:
    verdict = read_verdict(json.dumps(GOOD))

    assert verdict == Verdict(
        winner=Winner.ESSAY_A, justification="It stays closer to the task.", confidence=4
    )


@given(near_misses | anything)
@example({**GOOD, "confidence": 3.0})
@example({**GOOD, "confidence": True})
@example({**GOOD, "winner": ["Essay A"]})
@example({**GOOD, "justification": "x" * 500})
@example({**GOOD, "justification": "x" * 501})
def test_exactly_what_the_published_schema_allows_is_a_vote(answer: JsonValue) -> None:
    assert is_vote(json.dumps(answer)) == SCHEMA.is_valid(answer)


@given(st.text())
@example("")
@example("null")
@example("[" * 100_000)
@example('{"winner": "Essay A", "winner": "Essay B", "justification": "x", "confidence": 1}')
@example('{"winner": "Essay A", "justification": "x", "confidence": NaN}')
@example('{"winner": "Essay A", "justification": "x", "confidence": 1e400}')
@example('{"winner": "Essay A", "justification": "x", "confidence": ' + "1" * 5_000 + "}")
@example(r'{"winner": "Essay A", "justification": "\u0000", "confidence": 1}')
@example(r'{"winner": "Essay A", "justification": "\ud800", "confidence": 1}')
@example(f"```json\n{json.dumps(GOOD)}\n```")
@example(f"Sure! {json.dumps(GOOD)}")
@example(f"{json.dumps(GOOD)} {json.dumps(GOOD)}")
def test_no_other_text_is_ever_a_vote(text: str) -> None:
    assert not is_vote(text)


@given(st.integers(0, len(json.dumps(GOOD)) - 1))
def test_half_an_answer_is_not_a_vote(length: int) -> None:
    assert not is_vote(json.dumps(GOOD)[:length])


def test_the_error_has_the_code_of_the_contract_and_names_the_defect() -> None:
    with pytest.raises(InvalidAnswer) as raised:
        read_verdict("I would call it a tie.")

    assert raised.value.code is ErrorCode.LLM_INVALID_RESPONSE
    assert raised.value.details == {"defect": "not_json", "scope": "comparison", "stops_batch": False}


def test_a_long_justification_is_an_error_where_the_vendor_could_have_kept_to_the_length() -> None:
    wordy = json.dumps({**GOOD, "justification": "A sentence. " * 50})

    assert defect_of(wordy) is Defect.TOO_LONG


def test_a_long_justification_ends_after_its_last_whole_sentence_where_the_vendor_could_not() -> None:
    whole = "Essay A argues well (e.g. on v. 2.5) and says: “Enough!” "
    wordy = json.dumps({**GOOD, "justification": whole * 20})

    verdict = read_verdict(wordy, may_truncate=True)

    assert verdict.justification == (whole * 8).rstrip()
    assert len(verdict.justification) <= MAX_JUSTIFICATION


def test_a_long_justification_without_a_whole_sentence_is_an_error_even_then() -> None:
    endless = json.dumps({**GOOD, "justification": "and then " * 100})

    assert defect_of(endless, may_truncate=True) is Defect.TOO_LONG


@given(st.text(st.sampled_from("ab .!?…”)"), max_size=1200))
def test_a_shortened_justification_is_the_beginning_of_the_original(text: str) -> None:
    answer = json.dumps({**GOOD, "justification": text})
    try:
        kept = read_verdict(answer, may_truncate=True).justification
    except InvalidAnswer:
        return

    assert text.startswith(kept)
    assert len(kept) <= MAX_JUSTIFICATION
