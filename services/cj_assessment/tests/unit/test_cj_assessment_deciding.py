"""Every batch ends within its budgets, and the same answers lead to the same course."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from cj_assessment.domain.batch import Judge
from cj_assessment.domain.deciding import (
    Decision,
    Fail,
    Finish,
    JudgeMore,
    Spending,
    Wait,
    decide,
)
from cj_assessment.domain.measuring import StartingValues
from cj_assessment.tests.batch_simulation import (
    FAILED,
    JUDGED,
    PENDING,
    SUBMITTED,
    PlayedBatch,
    failing,
    refusing,
    sharp_judge,
)
from cj_assessment.tests.building import NOW, RULES, asked, essays, nothing_spent, snapshot
from event_contracts import GateStatus, StopReason, grade_scale
from hypothesis import given, settings
from hypothesis import strategies as st


def ranking(decision: Decision) -> tuple[float, ...]:
    assert isinstance(decision, Finish)
    assert decision.measured is not None
    return decision.measured.theta


@settings(max_examples=10)
@given(count=st.integers(2, 10), order=st.integers(0, 1000), share=st.sampled_from([0.0, 0.1, 0.3]))
def test_every_batch_ends_within_its_budget(count: int, order: int, share: float) -> None:
    batch = PlayedBatch(essays(count), failing(share), order=order, max_comparisons=6 * count)

    end = batch.play()

    judged = sum(pair.state == JUDGED for pair in batch.asked)
    assert isinstance(end, Finish | Fail)
    assert judged <= 6 * count


@pytest.fixture(scope="module")
def in_order() -> tuple[PlayedBatch, Finish | Fail]:
    batch = PlayedBatch(essays(10), sharp_judge, order=0, max_comparisons=60)
    return batch, batch.play()


@settings(max_examples=6)
@given(order=st.integers(1, 1000))
def test_the_order_of_the_answers_does_not_change_the_course(
    in_order: tuple[PlayedBatch, Finish | Fail], order: int
) -> None:
    one, end = in_order
    other = PlayedBatch(one.essays, sharp_judge, order=order, max_comparisons=60)

    theta = ranking(other.play())

    assert theta == ranking(end)
    assert one.asked == other.asked


@settings(max_examples=10)
@given(order=st.integers(0, 1000), steps=st.integers(0, 60))
def test_decide_is_deterministic(order: int, steps: int) -> None:
    batch = PlayedBatch(essays(9), failing(0.2), order=order)
    for _ in range(steps):
        decision = batch.look()
        if isinstance(decision, JudgeMore | Wait):
            batch.take(decision)

    first, second = batch.look(), batch.look()

    assert type(first) is type(second)
    if isinstance(first, JudgeMore) and isinstance(second, JudgeMore):
        assert first == second


def test_a_sharp_judge_reaches_the_target_before_the_budget() -> None:
    batch = PlayedBatch(essays(30), sharp_judge, order=1)

    end = batch.play()

    assert isinstance(end, Finish)
    assert end.reason is StopReason.TARGET_REACHED
    theta = ranking(end)
    assert sorted(theta, reverse=True)[:3] == pytest.approx(sorted(theta[:6], reverse=True)[:3])


def test_rounds_overlap_so_that_judges_are_never_idle() -> None:
    batch = PlayedBatch(essays(20), sharp_judge, order=1)

    batch.play()

    assert batch.most_open >= 20


def test_a_judge_who_fails_on_a_third_does_not_keep_a_batch_from_its_end() -> None:
    batch = PlayedBatch(essays(20), failing(0.3), order=2)

    end = batch.play()

    assert isinstance(end, Finish)
    assert end.unranked == {}


def test_a_judge_who_always_fails_ends_the_batch_with_the_reason_and_asks_for_no_more() -> None:
    batch = PlayedBatch(essays(20), failing(1.0), order=3)

    end = batch.play()

    assert isinstance(end, Fail)
    assert "LLM_PROVIDER_API_ERROR" in end.message
    assert len(batch.asked) <= 2 * 20


def test_an_essay_that_no_judge_will_judge_is_excluded_and_the_others_are_ranked() -> None:
    end = PlayedBatch(essays(12), refusing(5), order=4).play()

    assert isinstance(end, Finish)
    assert set(end.unranked) == {"e5"}
    assert len(ranking(end)) == 11


def test_a_pair_that_could_not_be_judged_may_be_asked_again() -> None:
    pairs = [asked(0, 1, FAILED), asked(1, 2), asked(2, 0)]

    decision = decide(snapshot(essays(3), pairs))

    assert isinstance(decision, JudgeMore)
    assert {frozenset((pair.slot_a, pair.slot_b)) for pair in decision.pairs} == {frozenset((0, 1))}
    again = decision.pairs[0]
    assert again.repetition == (1 if (again.slot_a, again.slot_b) == (0, 1) else 0)


def test_one_essay_alone_is_a_result_without_a_rank_and_with_the_reason() -> None:
    decision = decide(snapshot(essays(1)))

    assert isinstance(decision, Finish)
    assert decision.ranking is None
    assert "compare" in decision.unranked["e0"]


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_a_small_batch_asks_every_pair_before_any_pair_again(count: int) -> None:
    batch = PlayedBatch(essays(count), sharp_judge, order=5, target_reliability=0.999)

    batch.play()

    everyone = count * (count - 1) // 2
    first = [frozenset((pair.slot_a, pair.slot_b)) for pair in batch.asked[:everyone]]
    assert len(set(first)) == everyone


def test_both_orders_are_asked_before_either_is_repeated_in_a_small_batch() -> None:
    batch = PlayedBatch(essays(4), sharp_judge, order=5, target_reliability=0.999)

    batch.play()

    ordered = [(pair.slot_a, pair.slot_b) for pair in batch.asked[:12]]
    assert max(Counter(ordered).values()) == 1


def test_the_deadline_ends_a_batch_with_what_was_judged() -> None:
    pairs = [asked(0, 1), asked(1, 2), asked(2, 0, SUBMITTED)]

    decision = decide(snapshot(essays(3), pairs, now=NOW, deadline=NOW))

    assert isinstance(decision, Finish)
    assert decision.reason is StopReason.DEADLINE


def test_a_straggler_is_waited_for_no_longer_than_the_timeout() -> None:
    pairs = [asked(0, 1, SUBMITTED), asked(1, 2), asked(2, 3), asked(3, 0), asked(0, 2, number=2)]

    waiting = decide(snapshot(essays(4), pairs, last_round=2))
    overdue = decide(snapshot(essays(4), pairs, last_round=2, is_overdue=True))

    assert isinstance(waiting, Wait)
    assert waiting.next_check_at == NOW + RULES.straggler_timeout
    assert isinstance(overdue, JudgeMore)


def test_a_judge_who_is_slow_with_everything_is_waited_for_however_long_it_takes() -> None:
    pairs = [asked(item, (item + 1) % 8, SUBMITTED) for item in range(8)]

    decision = decide(snapshot(essays(8), pairs, last_round=2, is_overdue=True))

    assert isinstance(decision, Wait)


def test_essays_that_no_comparison_links_are_named_and_the_larger_group_is_ranked() -> None:
    pairs = [asked(0, 1), asked(1, 2), asked(2, 0), asked(3, 4)]

    decision = decide(snapshot(essays(5), pairs, max_comparisons=4))

    assert isinstance(decision, Finish)
    assert decision.reason is StopReason.BUDGET_COMPARISONS
    assert set(decision.unranked) == {"e3", "e4"}


PRICED = (Judge(provider="openai", model="m", expected_cost_usd=Decimal("0.01"), cap_usd=Decimal("0.10")),)


def spent(cost: str, reserved: str = "0", pending: str = "0") -> Spending:
    return replace(
        nothing_spent(),
        cost_usd=Decimal(cost),
        reserved_usd=Decimal(reserved),
        pending_usd=Decimal(pending),
    )


def test_no_more_pairs_are_planned_than_the_money_left_pays_for_at_their_highest_cost() -> None:
    pairs = [asked(item, (item + 1) % 20) for item in range(20)]
    money = spent("0.30", reserved="0.20", pending="0.15")

    decision = decide(
        snapshot(essays(20), pairs, judges=PRICED, spending=money, max_cost_usd=Decimal("1.00"))
    )

    assert isinstance(decision, JudgeMore)
    assert len(decision.pairs) == 3


def test_a_batch_whose_money_is_gone_ends_with_what_was_judged() -> None:
    pairs = [asked(0, 1), asked(1, 2), asked(2, 0)]

    decision = decide(
        snapshot(essays(3), pairs, judges=PRICED, spending=spent("0.95"), max_cost_usd=Decimal("1.00"))
    )

    assert isinstance(decision, Finish)
    assert decision.reason is StopReason.BUDGET_COST


def test_comparisons_that_cannot_be_paid_for_do_not_keep_a_batch_waiting() -> None:
    pairs = [asked(0, 1), asked(1, 2), asked(2, 0), asked(0, 2, PENDING, number=2)]
    money = spent("0.95", pending="0.10")

    decision = decide(snapshot(essays(3), pairs, judges=PRICED, spending=money, max_cost_usd=Decimal("1.00")))

    assert isinstance(decision, Finish)
    assert decision.reason is StopReason.BUDGET_COST


def test_a_panel_gets_the_shares_that_were_asked_for() -> None:
    panel = tuple(
        Judge(provider="mock", model=name, share=share)
        for name, share in [("a", 0.5), ("b", 0.3), ("c", 0.2)]
    )
    batch = PlayedBatch(
        essays(20), sharp_judge, order=6, judges=panel, max_comparisons=200, target_reliability=0.999
    )

    batch.play()

    times = Counter(pair.assigned for pair in batch.asked)
    assert [times[place] / len(batch.asked) for place in range(3)] == pytest.approx([0.5, 0.3, 0.2], abs=0.02)


def test_the_timeout_never_goes_beyond_the_deadline() -> None:
    pairs = [asked(0, 1, SUBMITTED), asked(1, 2), asked(2, 0), asked(0, 2, number=2)]

    decision = decide(snapshot(essays(3), pairs, deadline=NOW + timedelta(seconds=1)))

    assert isinstance(decision, Wait)
    assert decision.next_check_at == NOW + timedelta(seconds=1)


def test_a_round_comes_with_what_further_judging_would_bring() -> None:
    batch = PlayedBatch(essays(12), sharp_judge, order=0, max_comparisons=1000, target_reliability=0.99)
    decision = batch.look()
    while not (isinstance(decision, JudgeMore) and decision.measured):
        batch.take(decision)
        decision = batch.look()

    forecast = decision.measured.forecast

    assert forecast is not None
    assert forecast.eb > decision.measured.eb_reliability
    assert forecast.until_target is not None
    assert forecast.until_target.low <= forecast.until_target.comparisons <= forecast.until_target.high


def test_the_target_is_not_reached_while_too_many_grades_would_change() -> None:
    scale = grade_scale("eng5_np_legacy_9_step")
    graded = essays(14, anchors={0: "A", 3: "B", 6: "C+", 9: "D+", 13: "F+"})
    strict = replace(RULES, max_grade_change_share=0.01)
    usual = PlayedBatch(
        graded, sharp_judge, order=0, scale=scale, target_reliability=0.8, max_comparisons=200
    )
    wary = PlayedBatch(
        graded, sharp_judge, order=0, scale=scale, target_reliability=0.8, max_comparisons=200, rules=strict
    )

    end, late = usual.play(), wary.play()

    assert isinstance(end, Finish)
    assert isinstance(late, Finish)
    assert end.reason is StopReason.TARGET_REACHED
    assert late.reason is StopReason.BUDGET_COMPARISONS
    assert late.measured is not None
    assert late.measured.gates["grade_change_share"].status is GateStatus.FAILED


def test_where_a_fit_begins_does_not_move_where_it_ends() -> None:
    """The fit of the round before is of use for the same essays only: one of others, or of fewer, is left alone."""
    batch = PlayedBatch(essays(12), sharp_judge, order=1, max_comparisons=60)
    cold = ranking(batch.play())
    known = snapshot(batch.essays, batch.asked, last_round=batch.last_round, max_comparisons=60)

    for start in (
        None,
        StartingValues(theta=(0.5,) * 12, tau=4.0),
        StartingValues(theta=(1.0, -1.0), tau=1.0),
    ):
        assert ranking(decide(replace(known, start=start))) == pytest.approx(cold, abs=1e-2)
