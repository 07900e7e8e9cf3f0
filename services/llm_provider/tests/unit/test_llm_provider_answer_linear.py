"""Reading a judge's answer takes time in proportion to its length, whatever the model wrote."""

import json

import pytest
from event_contracts import SuiteError
from event_contracts.tests.nasty_texts import NASTY, grows_linearly
from llm_provider.domain.calls.answer import InvalidAnswer, read_verdict


@pytest.mark.parametrize("unit", NASTY.values(), ids=NASTY.keys())
@pytest.mark.parametrize("is_framed", [True, False])
def test_reading_an_answer_takes_time_in_proportion_to_its_length(unit: str, is_framed: bool) -> None:
    def read(text: str) -> None:
        answer = (
            json.dumps({"winner": "Essay A", "justification": text, "confidence": 3}) if is_framed else text
        )
        try:
            read_verdict(answer, may_truncate=True)
        except InvalidAnswer as error:
            assert isinstance(error, SuiteError)  # noqa: PT017 - what is measured is the time, not the outcome

    assert grows_linearly(read, unit, length=100_000)
