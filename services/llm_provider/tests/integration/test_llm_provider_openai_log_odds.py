"""What OpenAI says of its answer's tokens is read as log-odds; whatever it says, the vote stays a vote."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest
from event_contracts import JsonObject, LogOdds, Winner
from llm_provider.domain.calls.answer import Verdict
from llm_provider.domain.costs.usage import Usage
from llm_provider.tests.vendors.calling import PROMPT, asking, call
from llm_provider.tests.vendors.fake_vendors import Answer, Raw, Received, always
from llm_provider.tests.vendors.fake_vendors.openai import OpenAi
from llm_provider.tests.vendors.published_types import check_answer
from llm_provider.use_cases.judging.make_call import verdict_of

REASONS: Final = '","margin":"clearly better","justification":"It goes further.","confidence":4}'
WHOLE_PROMPT: Final = Usage(input=100, output=30)


def token(text: str, logprob: float = -0.0001, **alternatives: float) -> JsonObject:
    """A token as the Responses API writes it, with its bytes, itself among the likeliest ones."""
    tops = [(text, logprob), *alternatives.items()]
    return {
        **_said(text, logprob),
        "top_logprobs": [_said(one, value) for one, value in sorted(tops, key=lambda top: -top[1])],
    }


def _said(text: str, logprob: float) -> JsonObject:
    return {"token": text, "bytes": list(text.encode()), "logprob": logprob}


def answer_in(*tokens: JsonObject) -> list[JsonObject]:
    """The tokens of an answer of which these name the winner."""
    return [token('{"'), token("winner"), token('":"'), *tokens, token(REASONS)]


def body_of(
    tokens: Sequence[Mapping[str, Any]] | Any,
    *,
    winner: str = "Essay A",
    usage: Usage = WHOLE_PROMPT,
    **changes: Any,
) -> JsonObject:
    """The body of a Responses answer whose text has these probabilities."""
    text = f'{{"winner":"{winner}{REASONS}'
    received = Received(
        vendor="openai", path="/v1/responses", headers={}, body={"model": "gpt-6-luna", "text": {}}, size=400
    )
    body = json.loads(json.dumps(OpenAi().answer(received, Answer(text=text, usage=usage))))
    body["output"][-1]["content"][0]["logprobs"] = tokens
    body["text"] = {"format": {"type": "json_schema", "name": "comparison", "schema": {}, "strict": True}}
    found: JsonObject = body | {"temperature": 1.0} | changes
    return found


async def verdict_on(body: JsonObject) -> Verdict:
    """The vote that comes of it."""
    async with asking("openai", always(Raw(body=json.dumps(body).encode()))) as asked:
        return verdict_of(await asked.judge.judge(call("openai")), PROMPT)


async def odds_on(body: JsonObject) -> LogOdds:
    check_answer("openai", body)
    said = (await verdict_on(body)).log_odds_a
    assert said is not None
    return said


async def test_the_probabilities_of_the_winners_token_become_log_odds_of_slot_a() -> None:
    tokens = answer_in(token("Essay"), token(" A", -0.25, **{" B": -1.5, " C": -9.0}))

    said = await odds_on(body_of(tokens))

    assert said == LogOdds(
        value=1.25,
        tokens=(" A", " B"),
        top_k=3,
        censored=False,
        constrained=True,
        before_reasoning=True,
        temperature=1.0,
    )


async def test_log_odds_for_slot_b_are_negative() -> None:
    tokens = answer_in(token("Essay"), token(" B", -0.25, **{" A": -1.5}))

    said = await odds_on(body_of(tokens, winner="Essay B"))

    assert said.value == pytest.approx(-1.25)


async def test_a_winner_that_was_drawn_against_the_odds_leaves_the_odds_as_they_are() -> None:
    tokens = answer_in(token("Essay"), token(" B", -2.0, **{" A": -0.2}))

    verdict = await verdict_on(body_of(tokens, winner="Essay B"))

    assert verdict.winner is Winner.ESSAY_B
    assert verdict.log_odds_a is not None
    assert verdict.log_odds_a.value == pytest.approx(1.8)


async def test_an_essay_beyond_the_likeliest_tokens_makes_a_bound() -> None:
    tokens = answer_in(token("Essay"), token(" A", -0.01, **{" C": -4.0, " D": -8.0}))

    said = await odds_on(body_of(tokens))

    assert said.censored
    assert said.value == pytest.approx(7.99)


async def test_an_answer_that_was_held_to_no_schema_says_so() -> None:
    tokens = answer_in(token("Essay"), token(" A", -0.25, **{" B": -1.5}))

    said = await odds_on(body_of(tokens, text={"format": {"type": "text"}}))

    assert not said.constrained


async def test_a_winner_after_thoughts_is_not_from_before_them() -> None:
    tokens = answer_in(token("Essay"), token(" A", -0.25, **{" B": -1.5}))

    said = await odds_on(body_of(tokens, usage=Usage(input=100, output=900, reasoning=800)))

    assert not said.before_reasoning


WINNER = token(" A", -0.25, **{" B": -1.5})


@pytest.mark.parametrize(
    "tokens",
    [
        None,
        [],
        "none",
        [None],
        [1, 2],
        [{"token": "Essay A"}],
        [{"logprob": -0.1}],
        answer_in(token("Essay"), {**WINNER, "logprob": None}),
        answer_in(token("Essay"), {**WINNER, "logprob": "high"}),
        answer_in(token("Essay"), {**WINNER, "token": None}),
        answer_in(token("Essay"), {**_said(" A", -9999.0), "top_logprobs": None}),
        answer_in(token("Essay"), {**_said(" A", -9999.0), "top_logprobs": [{"token": " B"}]}),
        answer_in(token("Essay"), token("\nA", -0.25, **{"\nB": -1.5})),
        answer_in(token("Essay"))[:3],
        [token("Sorry")],
        [token("x", -1e308, **{"Essay A": 1e308})] * 3,
    ],
)
async def test_what_cannot_be_read_is_left_out_and_the_vote_stays(tokens: Any) -> None:
    verdict = await verdict_on(body_of(tokens))

    assert (verdict.winner, verdict.margin) == (Winner.ESSAY_A, 2)
    assert verdict.log_odds_a is None


@pytest.mark.parametrize(
    "changes", [{"temperature": "warm"}, {"temperature": None}, {"text": None}, {"text": 3}]
)
async def test_odd_side_fields_cost_neither_the_vote_nor_the_odds(changes: dict[str, Any]) -> None:
    verdict = await verdict_on(body_of(answer_in(token("Essay"), WINNER), **changes))

    assert verdict.winner is Winner.ESSAY_A
    assert verdict.log_odds_a is not None
    assert verdict.log_odds_a.value == pytest.approx(1.25)


async def test_alternatives_that_cannot_be_read_leave_nothing_to_compare_with() -> None:
    tokens = answer_in(token("Essay"), {**WINNER, "top_logprobs": [{"token": " B", "logprob": None}]})

    verdict = await verdict_on(body_of(tokens))

    assert verdict.winner is Winner.ESSAY_A
    assert verdict.log_odds_a is None
