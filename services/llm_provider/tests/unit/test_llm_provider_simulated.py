"""The simulated judge judges as a model would, and the same way whenever it is asked the same."""

import json
import math
import time
from collections import Counter
from pathlib import Path

import pytest
from event_contracts import ConfigurationError, Winner, text_sha256
from hypothesis import given
from hypothesis import strategies as st
from llm_provider.adapters.vendors.simulated.judge import (
    SimulatedJudge,
    SimulatedSettings,
    feature_quality,
    read_qualities,
)
from llm_provider.domain.calls.answer import InvalidAnswer, read_verdict
from llm_provider.domain.calls.errors import JudgeUnavailable, RateLimitReached, RequestRejected
from llm_provider.domain.requests.prompt import Prompt
from llm_provider.ports import JudgeCall
from llm_provider.tests.building import judge_call

STRONG, WEAK = "The strong essay.", "The weak essay."
QUALITIES = {text_sha256(STRONG): 0.7, text_sha256(WEAK): -0.3}
MANY = 4_000


def judge(settings: SimulatedSettings = SimulatedSettings()) -> SimulatedJudge:  # noqa: B008  it is frozen
    return SimulatedJudge(settings, qualities=QUALITIES)


async def share_of_first(judge: SimulatedJudge, text_a: str, text_b: str) -> float:
    votes = [await judge.judge(judge_call(text_a, text_b, sample=sample)) for sample in range(MANY)]
    return sum(read_verdict(vote.text).winner is Winner.ESSAY_A for vote in votes) / MANY


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(
    ("settings", "text_a", "text_b", "logit"),
    [
        (SimulatedSettings(), STRONG, WEAK, 1.0),
        (SimulatedSettings(), WEAK, STRONG, -1.0),
        (SimulatedSettings(noise=0.5), STRONG, WEAK, 2.0),
        (SimulatedSettings(position_bias=0.8), STRONG, STRONG, 0.8),
        (SimulatedSettings(position_bias=0.8), WEAK, STRONG, -0.2),
    ],
)
async def test_the_first_essay_wins_as_often_as_quality_noise_and_position_say(
    settings: SimulatedSettings, text_a: str, text_b: str, logit: float
) -> None:
    share = await share_of_first(judge(settings), text_a, text_b)

    p = logistic(logit)
    assert share == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / MANY))


async def test_a_run_repeats_exactly_in_any_order() -> None:
    calls = [judge_call(STRONG, WEAK, sample=sample) for sample in range(50)]
    forwards = [(await judge().judge(call)).text for call in calls]

    backwards = [(await judge().judge(call)).text for call in reversed(calls)]

    assert backwards[::-1] == forwards


async def test_another_attempt_at_the_same_call_gives_the_same_vote() -> None:
    first = await judge().judge(judge_call(STRONG, WEAK, attempt=1))

    second = await judge().judge(judge_call(STRONG, WEAK, attempt=2))

    assert first == second


async def test_another_seed_is_another_run() -> None:
    calls = [judge_call(STRONG, STRONG, sample=sample) for sample in range(64)]

    runs = {
        tuple([(await judge(SimulatedSettings(seed=seed)).judge(call)).text for call in calls])
        for seed in (0, 1)
    }

    assert len(runs) == 2


async def test_calls_fail_as_often_as_the_settings_say_and_another_attempt_may_succeed() -> None:
    outcomes: Counter[str] = Counter()
    unlucky = judge(SimulatedSettings(failure_rate=0.2, rate_limit_rate=0.3))
    for attempt in range(MANY):
        try:
            await unlucky.judge(judge_call(STRONG, WEAK, attempt=attempt))
            outcomes["answered"] += 1
        except RateLimitReached as error:
            outcomes["busy" if error.retry_after else "busy without a word"] += 1
        except JudgeUnavailable:
            outcomes["unavailable"] += 1

    assert outcomes["busy"] / MANY == pytest.approx(0.3, abs=0.03)
    assert outcomes["unavailable"] / MANY == pytest.approx(0.7 * 0.2, abs=0.03)
    assert outcomes["answered"] / MANY == pytest.approx(0.7 * 0.8, abs=0.03)


async def test_the_simulated_judges_malformed_answers_are_never_votes() -> None:
    for attempt in range(200):
        reply = await judge(SimulatedSettings(malformed_rate=1.0)).judge(
            judge_call(STRONG, WEAK, attempt=attempt)
        )

        with pytest.raises(InvalidAnswer):
            read_verdict(reply.text)


async def test_latency_is_waited_for() -> None:
    slow = judge(SimulatedSettings(latency_ms=20))
    started = time.monotonic()

    await slow.judge(judge_call(STRONG, WEAK))

    assert time.monotonic() - started > 0.005


async def test_a_prompt_without_two_essays_is_refused() -> None:
    call = judge_call()
    empty = JudgeCall(
        prompt=Prompt(system="", blocks=()),
        prompt_sha256=call.prompt_sha256,
        parameters=call.parameters,
        sample=0,
        attempt=1,
    )

    with pytest.raises(RequestRejected, match="cannot find two essays"):
        await judge().judge(empty)


def test_a_known_text_has_its_quality_however_its_lines_end() -> None:
    known = SimulatedJudge(SimulatedSettings(), qualities={text_sha256("one\ntwo"): 1.5})

    assert known.quality("one\r\ntwo\n\n") == 1.5


@given(st.text(max_size=400))
def test_any_text_has_a_quality(text: str) -> None:
    assert math.isfinite(feature_quality(text))


def test_a_varied_text_is_better_than_a_monotonous_one() -> None:
    varied = (
        "Although the evening was quiet, distant thunder promised otherwise. We hurried. Nobody had expected"
        " the orchestra to continue performing under such threatening circumstances, yet they did."
    )

    assert feature_quality(varied) > feature_quality("It was good. It was fun. I like it. " * 5)


@pytest.mark.parametrize("content", ["", "[quality]\nabc = 'high'", "quality = 3", "not toml ="])
def test_an_invalid_quality_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "quality.toml"
    file.write_text(content)

    with pytest.raises(ConfigurationError, match=r"quality\.toml"):
        read_qualities(file)


def test_a_quality_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "quality.toml"
    file.write_text(f"[quality]\n{text_sha256(STRONG)} = 2\n")

    assert read_qualities(file) == {text_sha256(STRONG): 2.0}


async def test_the_simulated_judge_justifies_in_whole_sentences() -> None:
    answer = json.loads((await judge().judge(judge_call(STRONG, WEAK))).text)

    assert answer["justification"].endswith(".")
    assert "Essay A" in answer["justification"]
    assert "Essay B" in answer["justification"]
