"""The token that names the winner tells by how much it was likelier than the other; everything else tells nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_provider.adapters.vendor_api.token_log_odds import Alternative, WrittenToken, log_odds_a


def token(text: str, logprob: float = -0.1, **others: float) -> WrittenToken:
    tops = [Alternative(token=name, logprob=value) for name, value in others.items()]
    return WrittenToken(token=text, logprob=logprob, top_logprobs=tops)


def answer(winner: WrittenToken) -> list[WrittenToken]:
    return [token('{"'), token("winner"), token('":"Essay '), winner, token('","margin":"far better"}')]


def value(tokens: list[WrittenToken]) -> float | None:
    said = log_odds_a(tokens, constrained=True, temperature=None)
    return None if said is None else said.value


def test_the_odds_are_those_of_the_two_letters() -> None:
    assert value(answer(token("A", -0.2, A=-0.2, B=-1.7))) == pytest.approx(1.5)
    assert value(answer(token("B", -0.2, A=-1.7, B=-0.2))) == pytest.approx(-1.5)


def test_all_tokens_that_begin_with_a_letter_count_for_it() -> None:
    tokens = answer(
        WrittenToken(
            token='A"',
            logprob=-1.0,
            top_logprobs=[
                Alternative(token='A"', logprob=math.log(0.3)),
                Alternative(token="A", logprob=math.log(0.3)),
                Alternative(token="B", logprob=math.log(0.2)),
            ],
        )
    )

    assert value(tokens) == pytest.approx(math.log(3))


def test_a_letter_within_a_longer_token_is_found() -> None:
    tokens = [
        token('{"winner":"'),
        WrittenToken(
            token="Essay B",
            logprob=-0.1,
            top_logprobs=[
                Alternative(token="Essay B", logprob=-0.1),
                Alternative(token="Essay A", logprob=-2.1),
            ],
        ),
    ]

    assert value(tokens) == pytest.approx(-2.0)


def test_an_essay_that_is_not_among_the_likeliest_is_bounded_by_the_least_of_them() -> None:
    said = log_odds_a(answer(token("A", -0.01, A=-0.01, C=-9.0)), constrained=True, temperature=0.0)

    assert said is not None
    assert said.censored
    assert said.value == pytest.approx(8.99)


@pytest.mark.parametrize("tokens", [None, [], [token("Sorry")], [token("Essay C")], answer(token("A"))[:3]])
def test_tokens_that_name_no_essay_tell_nothing(tokens: list[WrittenToken] | None) -> None:
    assert log_odds_a(tokens, constrained=True, temperature=None) is None


def test_an_essay_that_reasons_name_is_not_the_winner() -> None:
    tokens = [
        token('{"justification":"Essay '),
        token("B", -0.1, A=-0.1, B=-9.0),
        token(' shines."'),
        token(',"'),
    ]

    said = log_odds_a(
        [*tokens, *answer(token("A", -0.5, A=-0.5, B=-1.5))[1:]], constrained=False, temperature=None
    )

    assert said is not None
    assert said.value == pytest.approx(1.0)
    assert not said.before_reasoning


def test_a_winner_that_the_model_thought_about_comes_after_reasoning() -> None:
    said = log_odds_a(
        answer(token("A", -0.5, A=-0.5, B=-1.5)), constrained=True, temperature=None, has_reasoned=True
    )

    assert said is not None
    assert not said.before_reasoning


def test_a_letter_that_no_alternative_shows_is_bounded_and_not_taken_at_its_word() -> None:
    """OpenAI writes -9999 for what is not among the likeliest, a forced token among them."""
    said = log_odds_a(
        answer(token("A", -9999.0, B=-0.2, A=-9999.0, C=-6.2)), constrained=True, temperature=None
    )

    assert said is not None
    assert said.censored
    assert said.value == pytest.approx(-6.0)


@pytest.mark.parametrize("alternatives", [{}, {"A": -9999.0}, {"x": -0.1, "y": -3.0}])
def test_a_forced_letter_without_alternatives_tells_nothing(alternatives: dict[str, float]) -> None:
    assert value(answer(token("A", -9999.0, **alternatives))) is None


def test_a_token_that_cannot_be_printed_tells_nothing() -> None:
    odd = WrittenToken(
        token="\u200bEssay A", logprob=-0.1, top_logprobs=[Alternative(token="\u200bEssay B", logprob=-2.1)]
    )

    assert log_odds_a([token('{"winner":"'), odd], constrained=True, temperature=None) is None


@given(
    st.lists(
        st.builds(
            WrittenToken,
            token=st.sampled_from(
                ['{"winner":"Essay ', '"winner": "Essay', " A", "\nA", " ", "A", "B", "Essay A", "", "x"]
            ),
            logprob=st.floats(),
            top_logprobs=st.lists(
                st.builds(
                    Alternative, token=st.sampled_from(["A", "B", " A", " B", "", "x"]), logprob=st.floats()
                )
            )
            | st.none(),
        )
    )
)
def test_any_tokens_give_finite_log_odds_or_none(tokens: list[WrittenToken]) -> None:
    said = log_odds_a(tokens, constrained=False, temperature=None)

    assert said is None or math.isfinite(said.value)
