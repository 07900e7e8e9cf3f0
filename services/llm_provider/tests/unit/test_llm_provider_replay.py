"""The replaying judge answers with what people decided, each decision in its turn."""

import json
from collections import Counter
from pathlib import Path

import pytest
from event_contracts import ConfigurationError, Winner, text_sha256
from llm_provider.adapters.vendors.replay.judge import ReplayJudge, read_decisions
from llm_provider.domain.calls.answer import read_verdict
from llm_provider.domain.calls.errors import RequestRejected
from llm_provider.tests.building import judge_call

ONE, TWO = text_sha256("one"), text_sha256("two")


def decision(a: str, b: str, winner: str) -> str:
    return json.dumps({"a": a, "b": b, "winner": winner})


def replaying(tmp_path: Path, *lines: str) -> ReplayJudge:
    file = tmp_path / "decisions.jsonl"
    file.write_text("\n".join(lines))
    return ReplayJudge(read_decisions(file))


async def winner(judge: ReplayJudge, text_a: str, text_b: str, *, sample: int = 0) -> Winner:
    reply = await judge.judge(judge_call(text_a, text_b, sample=sample))
    return read_verdict(reply.text).winner


async def test_a_decision_is_found_in_whichever_order_the_pair_is_shown(tmp_path: Path) -> None:
    judge = replaying(tmp_path, decision(ONE, TWO, "b"))

    assert await winner(judge, "one", "two") is Winner.ESSAY_B
    assert await winner(judge, "two", "one") is Winner.ESSAY_A


async def test_every_recorded_decision_gets_its_turn(tmp_path: Path) -> None:
    judge = replaying(tmp_path, *[decision(ONE, TWO, "a")] * 3, *[decision(TWO, ONE, "a")] * 3)

    asked = [
        *[await winner(judge, "one", "two", sample=sample) for sample in range(3)],
        *[
            Winner.ESSAY_A
            if await winner(judge, "two", "one", sample=sample) is Winner.ESSAY_B
            else Winner.ESSAY_B
            for sample in range(3)
        ],
    ]

    assert Counter(asked) == {Winner.ESSAY_A: 3, Winner.ESSAY_B: 3}


async def test_a_run_repeats_exactly(tmp_path: Path) -> None:
    lines = [decision(ONE, TWO, "a")] * 5 + [decision(ONE, TWO, "b")] * 5
    first = [await winner(replaying(tmp_path, *lines), "one", "two", sample=n) for n in range(10)]

    second = [await winner(replaying(tmp_path, *lines), "one", "two", sample=n) for n in reversed(range(10))]

    assert second[::-1] == first


async def test_a_pair_without_a_recorded_decision_is_refused(tmp_path: Path) -> None:
    judge = replaying(tmp_path, decision(ONE, TWO, "a"))

    with pytest.raises(RequestRejected, match="no decision"):
        await winner(judge, "one", "three")


@pytest.mark.parametrize("line", ["{}", "nonsense", '{"a": "x", "b": "y", "winner": "c"}', "[1]"])
def test_a_line_that_is_not_a_decision_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"decisions\.jsonl, line 2"):
        replaying(tmp_path, decision(ONE, TWO, "a"), line)


def test_a_missing_file_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.jsonl"):
        read_decisions(tmp_path / "none.jsonl")


def in_order(a: str, b: str, winner: str, **stated: object) -> str:
    return json.dumps({"a": a, "b": b, "winner": winner, "in_order": True, **stated})


async def test_a_runs_judgements_are_each_for_its_own_order(tmp_path: Path) -> None:
    judge = replaying(tmp_path, in_order(ONE, TWO, "a"), in_order(TWO, ONE, "a"), in_order(ONE, TWO, "b"))

    assert await winner(judge, "one", "two") is Winner.ESSAY_A
    assert await winner(judge, "two", "one") is Winner.ESSAY_A
    assert await winner(judge, "one", "two", sample=1) is Winner.ESSAY_B


async def test_what_a_judge_stated_is_stated_again(tmp_path: Path) -> None:
    judge = replaying(
        tmp_path, in_order(ONE, TWO, "b", margin=3, confidence=2, justification="The second is clearer.")
    )

    reply = await judge.judge(judge_call("one", "two"))

    verdict = read_verdict(reply.text)
    assert (verdict.margin, verdict.confidence, verdict.justification) == (3, 2, "The second is clearer.")
