"""Slots: every item stands as often first as second, within one, at all times; small batches in a fixed order."""

from itertools import combinations, permutations

import numpy as np
import pytest
from cj_measurement import Design, PairingState, Policy, Run, SimulatedJudge, plan_pairs
from cj_measurement.pairing.plan import SMALL
from cj_measurement.pairing.small_batches import round_robin
from hypothesis import given, settings
from hypothesis import strategies as st

few_examples = settings(max_examples=40)


def largest_lead(asked: list[tuple[int, int]], essays: int) -> int:
    """The largest difference of an item's uses of slots A and B at any time, pair by pair within a round."""
    lead, largest = [0] * essays, 0
    for a, b in asked:
        lead[a] += 1
        lead[b] -= 1
        largest = max(largest, abs(lead[a]), abs(lead[b]))
    return largest


@few_examples
@given(
    st.integers(2, 24),
    st.lists(st.integers(1, 12), min_size=2, max_size=12),
    st.integers(0, 2**16),
    st.sampled_from(list(Policy)),
)
def test_slots_stay_even_within_one_however_rounds_are_cut(
    essays: int, counts: list[int], seed: int, policy: Policy
) -> None:
    run = Run(Design(essays=essays, policy=policy), SimulatedJudge(sd=1.5), seed=seed)
    run.judge_round()
    run.judge_round()
    asked = [(a, b) for a, b in run.asked.tolist()]

    for number, count in enumerate(counts):
        state = PairingState.of(essays, asked, fit=run.fit())
        pairs = plan_pairs(state, count=count, seed=number, policy=policy)
        asked += [(pair.slot_a, pair.slot_b) for pair in pairs]

    assert largest_lead(asked, essays) <= 1


@pytest.mark.parametrize("policy", list(Policy))
def test_slots_stay_even_over_a_whole_batch(policy: Policy) -> None:
    run = Run(Design(essays=41, policy=policy), SimulatedJudge(sd=1.5, position_bias=1.0), seed=3)

    while len(run.asked) < 600:
        run.judge_round()

    assert largest_lead([(a, b) for a, b in run.asked.tolist()], 41) <= 1


def test_slots_that_are_uneven_already_become_even_again() -> None:
    asked = [(0, place) for place in range(1, 10)] + [(place, place + 1) for place in range(1, 9)]
    lead = 9

    for number in range(12):
        pairs = plan_pairs(PairingState.of(10, asked), count=5, seed=number)
        asked += [(pair.slot_a, pair.slot_b) for pair in pairs]
        first = sum(a == 0 for a, _ in asked) - sum(b == 0 for _, b in asked)

        assert abs(first) <= max(1, lead)
        lead = abs(first)

    assert lead <= 1


@pytest.mark.parametrize("essays", range(2, SMALL))
def test_a_small_batch_has_all_pairs_then_both_orders_then_repeats(essays: int) -> None:
    asked: list[tuple[int, int]] = []
    every_pair = set(combinations(range(essays), 2))

    while len(asked) < 3 * len(every_pair):
        pairs = plan_pairs(PairingState.of(essays, asked), count=essays // 2, seed=len(asked))
        asked += [(pair.slot_a, pair.slot_b) for pair in pairs]

    n = len(every_pair)
    assert {tuple(sorted(pair)) for pair in asked[:n]} == every_pair
    assert set(asked[: 2 * n]) == set(permutations(range(essays), 2))
    assert set(asked[2 * n : 3 * n]) == set(asked[:n])
    assert largest_lead(asked, essays) <= 1


@pytest.mark.parametrize("essays", range(2, SMALL))
def test_a_round_robin_has_every_pair_once_and_no_item_twice_in_a_round(essays: int) -> None:
    rounds = round_robin(essays)

    met = [frozenset(pair) for pairs in rounds for pair in pairs]
    assert len(met) == len(set(met)) == essays * (essays - 1) // 2
    for pairs in rounds:
        items = np.array(pairs).ravel()
        assert len(set(items)) == len(items)


def test_a_small_batch_asks_again_what_failed_before_it_goes_on() -> None:
    first = plan_pairs(PairingState.of(5, []), count=5, seed=0)
    asked = [(pair.slot_a, pair.slot_b) for pair in first]
    failed = asked.pop(1)

    again = plan_pairs(PairingState.of(5, asked), count=2, seed=1)

    assert (again[0].slot_a, again[0].slot_b) == failed
