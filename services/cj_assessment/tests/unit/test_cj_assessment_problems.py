"""What stops every comparison stops the spending, and is said in words that a reader can act on."""

from dataclasses import replace

import pytest
from cj_assessment.domain.batch import Judge
from cj_assessment.domain.comparison import Asked
from cj_assessment.domain.deciding import Fail, Finish, JudgeMore, Wait, current_problem, decide
from cj_assessment.domain.deciding.problems import STOPPING_FAILURES, stopping_problem
from cj_assessment.tests.building import asked, essays, snapshot
from cj_assessment.tests.playing import (
    FAILED,
    JUDGED,
    PENDING,
    SUBMITTED,
    PlayedBatch,
    failing,
    refusing,
    sharp_judge,
)
from event_contracts import ErrorCode, StopReason

ONE = (Judge(provider="openai", model="gpt-5"),)
PANEL = (
    Judge(provider="openai", model="gpt-5", share=0.3),
    Judge(provider="google", model="gemini", share=0.7),
)
BATCH_WIDE = (
    ErrorCode.INVALID_API_KEY,
    ErrorCode.AUTHENTICATION_ERROR,
    ErrorCode.AUTHORIZATION_ERROR,
    ErrorCode.QUOTA_EXCEEDED,
    ErrorCode.LLM_INVALID_CONFIG,
    ErrorCode.LLM_CONFIGURATION_ERROR,
    ErrorCode.CONFIGURATION_ERROR,
    ErrorCode.INVALID_CONFIGURATION,
    ErrorCode.LLM_CALLBACK_TOPIC_MISSING,
    ErrorCode.LLM_INVALID_CALLBACK_TOPIC,
)
UNAVAILABLE = (
    ErrorCode.LLM_PROVIDER_UNAVAILABLE,
    ErrorCode.CONNECTION_ERROR,
    ErrorCode.SERVICE_UNAVAILABLE,
    ErrorCode.CIRCUIT_BREAKER_OPEN,
    ErrorCode.TIMEOUT,
    ErrorCode.LLM_PROVIDER_TIMEOUT,
    ErrorCode.LLM_PARSING_ERROR,
)


def failed(code: ErrorCode, *, times: int, assigned: int = 0) -> list[Asked]:
    return [
        asked(item % 8, (item + 1) % 8, FAILED, error_code=code, assigned=assigned) for item in range(times)
    ]


@pytest.mark.parametrize("code", BATCH_WIDE)
def test_a_reason_that_every_comparison_shares_ends_the_batch_after_the_first_few(code: ErrorCode) -> None:
    batch = PlayedBatch(essays(20), failing(1.0, code), order=1, judges=ONE)

    end = batch.play()

    assert isinstance(end, Fail)
    assert end.reason is StopReason.FAILED
    assert sum(pair.state == FAILED for pair in batch.asked) == STOPPING_FAILURES
    assert "openai/gpt-5" in end.message
    assert code in end.message
    assert "What to do" in end.message


@pytest.mark.parametrize("code", UNAVAILABLE)
def test_a_judge_that_is_away_gets_no_second_round_until_it_answers(code: ErrorCode) -> None:
    first = failed(code, times=STOPPING_FAILURES)
    waiting = [asked(item, item + 1, SUBMITTED) for item in range(4)]

    decision = decide(snapshot(essays(8), [*first, *waiting], judges=ONE))
    back = decide(snapshot(essays(8), [*first, *(asked(i, i + 1) for i in range(4))], judges=ONE))
    gone = decide(snapshot(essays(8), first, judges=ONE))

    assert isinstance(decision, Wait)
    assert isinstance(back, JudgeMore)
    assert isinstance(gone, Fail)
    assert code in gone.message


def test_credit_that_runs_out_ends_the_spending_and_what_was_judged_is_ranked() -> None:
    calls = 0

    def judge(pair: Asked) -> Asked:
        nonlocal calls
        calls += 1
        spent = calls > 60
        return pair._replace(state=FAILED, error_code="QUOTA_EXCEEDED") if spent else sharp_judge(pair)

    batch = PlayedBatch(essays(12), judge, order=1, judges=ONE, target_reliability=0.99)

    end = batch.play()

    assert isinstance(end, Finish)
    assert end.reason is StopReason.EXHAUSTED
    assert end.problem is not None
    assert "no credit" in end.problem
    assert len(batch.asked) <= 60 + 3 * 12


def test_a_judge_of_a_panel_without_a_key_does_not_stop_the_others() -> None:
    def judge(pair: Asked) -> Asked:
        if pair.assigned == 0:
            return pair._replace(state=FAILED, error_code="INVALID_API_KEY")
        return sharp_judge(pair)

    batch = PlayedBatch(essays(8), judge, order=1, judges=PANEL, max_comparisons=40)
    for _ in range(30):
        decision = batch.look()
        assert not isinstance(decision, Fail)
        batch.take(decision)

    problem = current_problem(batch.asked, PANEL)

    assert problem is not None
    assert problem.judge == "openai/gpt-5"


def test_a_judge_that_has_not_answered_yet_is_waited_for_before_a_panel_is_given_up() -> None:
    failures = failed(ErrorCode.INVALID_API_KEY, times=5)

    assert stopping_problem([*failures, asked(0, 1, SUBMITTED, assigned=1)], PANEL) is None
    assert stopping_problem([*failures, *failed(ErrorCode.TIMEOUT, times=1, assigned=1)], PANEL) is not None


def test_what_the_provider_reports_as_stopping_the_batch_does_so_whatever_its_code() -> None:
    judged = [asked(item, item + 1) for item in range(4)]
    outage = failed(ErrorCode.LLM_PROVIDER_UNAVAILABLE, times=STOPPING_FAILURES)
    reported = frozenset({"LLM_PROVIDER_UNAVAILABLE"})

    hoping = decide(snapshot(essays(8), [*judged, *outage], judges=ONE))
    stopped = decide(replace(snapshot(essays(8), [*judged, *outage], judges=ONE), batch_wide_codes=reported))
    never_judged = decide(replace(snapshot(essays(8), outage, judges=ONE), batch_wide_codes=reported))

    assert isinstance(hoping, JudgeMore)
    assert isinstance(stopped, Finish)
    assert stopped.problem is not None
    assert isinstance(never_judged, Fail)


def test_failures_that_concern_their_own_pair_never_stop_a_batch() -> None:
    refused = failed(ErrorCode.LLM_INVALID_RESPONSE, times=STOPPING_FAILURES)

    assert stopping_problem(refused, ONE) is None
    assert isinstance(decide(snapshot(essays(8), refused, judges=ONE)), JudgeMore)


def test_a_provider_that_is_away_shows_from_the_first_attempt_that_failed() -> None:
    retried = [asked(0, 1, PENDING, error_code="LLM_PROVIDER_UNAVAILABLE"), asked(1, 2, SUBMITTED)]

    problem = current_problem(retried, ONE)

    assert problem is not None
    assert problem.words == (
        "openai/gpt-5 is not judging: its endpoint cannot be reached or answers with errors of its own"
        " (LLM_PROVIDER_UNAVAILABLE, once). What to do: check the vendor's status page and the endpoint's"
        " address, then send the batch again."
    )


def test_there_is_no_problem_while_judgements_come() -> None:
    failures = failed(ErrorCode.TIMEOUT, times=STOPPING_FAILURES)

    assert current_problem([], ONE) is None
    assert current_problem([asked(0, 1, SUBMITTED)], ONE) is None
    assert current_problem([*failures, asked(0, 1)], ONE) is None
    assert current_problem([asked(0, 1), *failures[1:]], ONE) is None
    assert current_problem([asked(0, 1), *failures], ONE) is not None
    assert current_problem([asked(0, 1), *failed(ErrorCode.LLM_INVALID_RESPONSE, times=9)], ONE) is None


def test_an_unknown_error_code_is_named_as_it_came() -> None:
    end = decide(snapshot(essays(3), [asked(0, 1, FAILED, error_code="VENDOR_ON_FIRE")] * 3, judges=ONE))

    assert isinstance(end, Fail)
    assert "VENDOR_ON_FIRE" in end.message


def test_a_refused_essay_among_anchors_alone_ends_the_batch_and_buys_nothing_for_anchors() -> None:
    graded = essays(13, anchors={item: "ABCDEF"[item % 6] for item in range(1, 13)})
    batch = PlayedBatch(graded, refusing(0), order=1)

    end = batch.play()

    assert isinstance(end, Fail)
    assert "no student's essay could be judged (e0: none of its" in end.message
    later = [pair for pair in batch.asked if pair.round > 2]
    assert later
    assert all(0 in (pair.slot_a, pair.slot_b) for pair in later)
    assert sum(pair.state == JUDGED for pair in batch.asked) < 20


def test_anchors_without_a_student_are_never_compared() -> None:
    decision = decide(snapshot(essays(3, anchors={0: "A", 1: "B", 2: "C+"})))

    assert isinstance(decision, Fail)
    assert decision.message == "no student's essay can be judged"


def test_a_student_whose_answer_may_still_come_is_waited_for() -> None:
    graded = essays(6, anchors=dict.fromkeys(range(1, 6), "A"))
    refused = [asked(0, item, FAILED, error_code="LLM_INVALID_RESPONSE") for item in range(1, 5)]
    others = [asked(item, item + 1) for item in range(1, 5)]

    hoping = decide(snapshot(graded, [*refused, *others, asked(0, 5, SUBMITTED)]))
    judged = decide(snapshot(graded, [*refused, *others, asked(0, 5)]))

    assert isinstance(hoping, Wait)
    assert isinstance(judged, JudgeMore)
