"""A relaxed batch is judged in at most three rounds, each of which a vendor's batch API takes as one job."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from cj_assessment.domain.comparison import Asked
from cj_assessment.domain.deciding import Decision, Finish, JudgeMore, Snapshot, Wait, decide
from cj_assessment.domain.measuring.pairing import MAX_RELAXED_ROUNDS
from cj_assessment.tests.building import NOW, asked, essays, snapshot
from event_contracts import ComparisonState

ESSAYS = 24
ABILITY = [Random(7).gauss(0, 3) for _ in range(ESSAYS)]


def of(comparisons: list[Asked]) -> Snapshot:
    return replace(snapshot(essays(ESSAYS), comparisons), is_relaxed=True)


def judged(decision: JudgeMore, *, number: int, chance: Random, with_margins: bool) -> list[Asked]:
    """The answers of a judge for whom the essays are far apart, and the same distance each."""
    answers = []
    for pair in decision.pairs:
        lead = ABILITY[pair.slot_a] - ABILITY[pair.slot_b] + chance.gauss(0, 1.5)
        margin = 1 + (abs(lead) > 2) + (abs(lead) > 5) if with_margins else None
        answer = asked(pair.slot_a, pair.slot_b, ComparisonState.JUDGED, number=number)
        answers.append(answer._replace(a_won=lead > 0, margin=margin))
    return answers


@pytest.mark.parametrize("with_margins", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_a_relaxed_batch_ends_after_three_rounds_at_most(seed: int, with_margins: bool) -> None:
    chance, comparisons, rounds = Random(seed), list[Asked](), 0
    decision: Decision = decide(of(comparisons))
    while isinstance(decision, JudgeMore):
        rounds += 1
        comparisons += judged(decision, number=rounds, chance=chance, with_margins=with_margins)
        decision = decide(of(comparisons))

    assert isinstance(decision, Finish)
    assert rounds <= MAX_RELAXED_ROUNDS


def test_the_first_round_holds_all_that_a_decision_needs() -> None:
    decision = decide(of([]))

    assert isinstance(decision, JudgeMore)
    assert 2 * len(decision.pairs) / ESSAYS >= 5


def test_every_answer_of_a_round_is_awaited_however_late() -> None:
    first = decide(of([]))
    assert isinstance(first, JudgeMore)
    answers = judged(first, number=1, chance=Random(1), with_margins=True)
    late = [*answers[:-1], answers[-1]._replace(state=ComparisonState.SUBMITTED, a_won=None, margin=None)]

    decision = decide(replace(of(late), is_overdue=True))

    assert isinstance(decision, Wait)
    assert decision.next_check_at == NOW + timedelta(hours=1)
