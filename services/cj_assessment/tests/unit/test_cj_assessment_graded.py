"""Judges that state margins are asked in few large rounds, and none of these waits for its slowest call."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random

from cj_assessment.domain.comparison import Asked
from cj_assessment.domain.deciding import Finish, JudgeMore, Snapshot, Wait, decide
from cj_assessment.domain.measuring import Fitted, fit_comparisons
from cj_assessment.tests.building import NOW, asked, essays, nothing_spent, snapshot
from event_contracts import ComparisonState

ESSAYS = 24
PENDING = ComparisonState.SUBMITTED


def graded(
    slot_a: int, slot_b: int, *, number: int = 1, state: ComparisonState = ComparisonState.JUDGED
) -> Asked:
    """A comparison that the item of the lower number wins, the more clearly the further they are apart."""
    pair = asked(slot_a, slot_b, state, number=number)
    margin = 1 + (abs(slot_a - slot_b) > 6) + (abs(slot_a - slot_b) > 14)
    return pair._replace(margin=margin if state is ComparisonState.JUDGED else None)


def pairs(
    count: int, *, number: int = 1, state: ComparisonState = ComparisonState.JUDGED, seed: int = 1
) -> list[Asked]:
    chance, found = Random(seed), list[Asked]()
    while len(found) < count:
        for first in range(ESSAYS):
            second = chance.choice([item for item in range(ESSAYS) if item != first])
            found.append(graded(first, second, number=number, state=state))
    return found[:count]


def of(comparisons: list[Asked], **changes: object) -> Snapshot:
    return replace(snapshot(essays(ESSAYS), comparisons), **changes)  # type: ignore[arg-type]  # fields by name


def least_asked(comparisons: list[Asked], decision: JudgeMore) -> float:
    return 2 * (len(comparisons) + len(decision.pairs)) / ESSAYS


def test_the_first_answers_bring_all_that_a_decision_needs_in_one_round() -> None:
    first = pairs(ESSAYS)

    decision = decide(of(first))

    assert isinstance(decision, JudgeMore)
    assert least_asked(first, decision) >= 5


def test_a_judge_that_states_no_margin_is_asked_round_by_round() -> None:
    decision = decide(of([pair._replace(margin=None) for pair in pairs(ESSAYS)]))

    assert isinstance(decision, JudgeMore)
    assert len(decision.pairs) == ESSAYS // 2


def test_a_large_round_asks_no_pair_twice_in_the_same_order() -> None:
    decision = decide(of(pairs(ESSAYS)))

    assert isinstance(decision, JudgeMore)
    times = Counter((pair.slot_a, pair.slot_b) for pair in decision.pairs)
    assert max(times.values()) == 1


def test_a_round_waits_for_its_answers_at_first() -> None:
    comparisons = [*pairs(ESSAYS), *pairs(30, number=2, seed=2), *pairs(4, number=2, state=PENDING, seed=3)]

    assert isinstance(decide(of(comparisons)), Wait)


def test_the_next_round_does_not_wait_for_the_last_answers() -> None:
    comparisons = [*pairs(ESSAYS), *pairs(14, number=2, seed=2), *pairs(4, number=2, state=PENDING, seed=3)]

    decision = decide(of(comparisons, is_overdue=True))

    assert isinstance(decision, JudgeMore)


def test_many_late_answers_are_waited_for() -> None:
    comparisons = [*pairs(ESSAYS), *pairs(20, number=2, state=PENDING, seed=3)]

    assert isinstance(decide(of(comparisons, is_overdue=True)), Wait)


def test_the_next_check_is_slightly_later_than_a_typical_answer() -> None:
    spending = replace(nothing_spent(), typical_answer=timedelta(seconds=2))
    comparisons = [*pairs(ESSAYS), *pairs(20, number=2, state=PENDING, seed=3)]

    decision = decide(of(comparisons, spending=spending))

    assert isinstance(decision, Wait)
    assert decision.next_check_at == NOW + timedelta(seconds=2.4)


def test_what_was_paid_for_counts_before_judging_ends() -> None:
    comparisons = [*pairs(10 * ESSAYS), *pairs(2, number=2, state=PENDING, seed=3)]

    assert isinstance(decide(of(comparisons, is_overdue=True)), Wait)


def test_margins_that_tell_something_are_used_and_reported() -> None:
    fitted = fit_comparisons(essays(ESSAYS), pairs(6 * ESSAYS), judges=snapshot(essays(ESSAYS)).judges)

    assert isinstance(fitted, Fitted)
    (told,) = fitted.levels.values()
    assert "margins" in str(told)
    assert fitted.fit.levels[0].source == "margin"


def test_a_batch_that_has_reached_its_target_ends_with_what_its_margins_told() -> None:
    decision = decide(of(pairs(10 * ESSAYS)))

    assert isinstance(decision, Finish)
    assert decision.ranking is not None
    assert decision.ranking.fitted.levels
