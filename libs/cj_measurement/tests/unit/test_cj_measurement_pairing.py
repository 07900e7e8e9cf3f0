"""Pairing: linked from the first, informative, level, never the same pair twice early, quick, and repeatable."""

import time

import numpy as np
import pytest
from cj_measurement import (
    RANDOM_REASONS,
    Comparisons,
    Design,
    Fit,
    InvalidArgument,
    Pair,
    PairingSettings,
    PairingState,
    Policy,
    Reason,
    Run,
    SimulatedJudge,
    fit,
    plan_pairs,
)
from cj_measurement.pairing.expected_gain import ExpectedGain
from hypothesis import given, settings
from hypothesis import strategies as st

JUDGE = SimulatedJudge(sd=2.0, position_bias=0.3)
policies = st.sampled_from(list(Policy))
seeds = st.integers(0, 2**16)
few_examples = settings(max_examples=15)


def judged_run(essays: int, rounds: int, *, seed: int = 0, policy: Policy = Policy.INFORMATION) -> Run:
    run = Run(Design(essays=essays, policy=policy), JUDGE, seed=seed)
    for _ in range(rounds):
        run.judge_round()
    return run


def together(run: Run) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    """How often each ordered pair was asked, shape (n, n)."""
    times = np.zeros((run.design.essays, run.design.essays), np.int64)
    np.add.at(times, (run.asked[:, 0], run.asked[:, 1]), 1)
    return times


@few_examples
@given(st.integers(8, 40), seeds)
def test_the_first_round_gives_each_item_two_comparisons_and_links_them_all(essays: int, seed: int) -> None:
    pairs = plan_pairs(PairingState.of(essays, []), count=essays, seed=seed)

    state = PairingState.of(essays, [(pair.slot_a, pair.slot_b) for pair in pairs])
    assert len(pairs) == essays
    assert set(state.asked.times_a) == set(state.asked.times_b) == {1}
    assert state.asked.components().max() == 0


@few_examples
@given(st.integers(2, 40), st.lists(st.integers(1, 40), min_size=1, max_size=6), seeds, policies)
def test_each_pair_links_two_parts_until_all_items_are_linked(
    essays: int, counts: list[int], seed: int, policy: Policy
) -> None:
    asked: list[tuple[int, int]] = []

    for number, count in enumerate(counts):
        pairs = plan_pairs(PairingState.of(essays, asked), count=count, seed=seed + number, policy=policy)
        asked += [(pair.slot_a, pair.slot_b) for pair in pairs]

        parts = int(PairingState.of(essays, asked).asked.components().max()) + 1
        assert parts == max(1, essays - len(asked))


@few_examples
@given(st.integers(2, 24), st.integers(2, 30), seeds, policies)
def test_a_later_round_is_a_matching_and_never_empty(
    essays: int, rounds: int, seed: int, policy: Policy
) -> None:
    run = judged_run(essays, rounds, seed=seed, policy=policy)

    pairs = plan_pairs(run.state(), count=essays, seed=seed, policy=policy)

    items = [item for pair in pairs for item in (pair.slot_a, pair.slot_b)]
    assert 1 <= len(pairs) <= essays // 2
    assert len(set(items)) == len(items)


@few_examples
@given(st.integers(8, 30), st.integers(3, 20), seeds, policies)
def test_uses_of_items_stay_level(essays: int, rounds: int, seed: int, policy: Policy) -> None:
    run = judged_run(essays, rounds, seed=seed, policy=policy)

    uses = np.bincount(run.asked.ravel(), minlength=essays)
    assert np.ptp(uses) <= 1 + essays % 2


def test_a_round_smaller_than_the_batch_goes_to_the_items_used_least() -> None:
    run = judged_run(20, 3)
    behind = set(np.flatnonzero(np.bincount(run.asked[:-4].ravel(), minlength=20) == 3))
    state = PairingState.of(20, run.asked[:-4], fit=run.fit())

    pairs = plan_pairs(state, count=4, seed=1)

    assert {item for pair in pairs for item in (pair.slot_a, pair.slot_b)} == behind


@few_examples
@given(st.integers(8, 24), st.integers(2, 40), seeds)
def test_no_pair_is_asked_twice_in_one_order_before_all_orders_that_fit_were_asked(
    essays: int, rounds: int, seed: int
) -> None:
    run = judged_run(essays, rounds, seed=seed)
    before = together(run)
    lead = before.sum(1) - before.sum(0)

    pairs = plan_pairs(run.state(), count=essays // 2, seed=seed)

    repeated = [pair for pair in pairs if before[pair.slot_a, pair.slot_b] > 0]
    paired = {item for pair in pairs for item in (pair.slot_a, pair.slot_b)}
    for pair in repeated:
        free = (set(range(essays)) - paired) | {pair.slot_a, pair.slot_b}
        assert not [
            (a, b) for a in free for b in free if a != b and before[a, b] == 0 and lead[a] <= 0 <= lead[b]
        ]


def test_in_a_large_batch_no_pair_is_asked_twice_in_one_order() -> None:
    run = judged_run(60, 40)

    assert together(run).max() == 1


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_random_links_keep_their_share_of_all_pairs(share: float) -> None:
    design = Design(essays=60, settings=PairingSettings(random_link_share=share))
    run = Run(design, JUDGE, seed=2)
    reasons: list[Reason] = []

    while len(run.asked) < 600:
        pairs = plan_pairs(run.state(), count=1, seed=0)
        reasons += [pair.reason for pair in pairs]
        run.judge_round()

    links = run.state().random_links
    at_the_start = 60 + 30
    assert links == pytest.approx(max(at_the_start, share * len(run.asked)), abs=1)


def test_a_share_of_pairs_is_asked_in_both_orders() -> None:
    run = judged_run(60, 18)

    times = together(run)
    both = np.count_nonzero(np.triu((times > 0) & (times.T > 0)))
    pairs = np.count_nonzero(np.triu(times + times.T))
    assert 0.19 < both / pairs < 0.26


def test_no_random_link_and_no_other_order_is_mixed_into_the_policies_to_compare_with() -> None:
    for policy in (Policy.NEAREST, Policy.SWISS):
        run = judged_run(60, 10, policy=policy)

        pairs = plan_pairs(run.state(), count=30, seed=0, policy=policy)

        assert {pair.reason for pair in pairs} == {Reason.NEIGHBOUR}


def test_informative_pairs_tell_more_than_random_ones() -> None:
    run = judged_run(60, 8)
    state = run.state()
    assert state.fit is not None
    gain = ExpectedGain(state.fit, state.asked)

    chosen = plan_pairs(state, count=30, seed=0)
    random = plan_pairs(state, count=30, seed=0, policy=Policy.RANDOM)

    assert total_gain(gain, chosen) > 1.3 * total_gain(gain, random)


def total_gain(gain: ExpectedGain, pairs: tuple[Pair, ...]) -> float:
    slots = np.array([(pair.slot_a, pair.slot_b) for pair in pairs])
    return float(gain(slots[:, 0], slots[:, 1]).sum())


def chain_fit(a_wins: list[bool]) -> Fit:
    """Items 0 to 3 in a row, each compared with the next ten times."""
    slot_a = np.repeat([0, 1, 2], 10)
    return fit(Comparisons.of(4, slot_a, slot_a + 1, np.resize(a_wins, 30)))


def test_the_gain_is_the_information_about_the_difference() -> None:
    fitted = chain_fit([True, False])
    state = PairingState.of(
        4, np.column_stack([fitted.comparisons.slot_a, fitted.comparisons.slot_b]), fit=fitted
    )

    gain = ExpectedGain(fitted, state.asked)(np.array([0]), np.array([3]))

    c = fitted.covariance
    p = fitted.probability([0, 3], [3, 0])
    spread = c[0, 0] + c[3, 3] - 2 * c[0, 3]
    assert gain == pytest.approx([np.log1p(p[0] * p[1] * spread) / 2], rel=0.02)


def test_a_pair_still_awaited_is_worth_less_than_one_never_asked() -> None:
    fitted = chain_fit([True, False])
    answered = np.column_stack([fitted.comparisons.slot_a, fitted.comparisons.slot_b])
    nothing_awaited = PairingState.of(4, answered)
    one_awaited = PairingState.of(4, [*answered.tolist(), (0, 3)])

    before, after = (
        ExpectedGain(fitted, state.asked)(np.array([0]), np.array([3]))
        for state in (nothing_awaited, one_awaited)
    )

    assert after < before


def test_a_strong_position_effect_makes_near_pairs_tell_less() -> None:
    unbiased, biased = chain_fit([True, False]), chain_fit([True] * 9 + [False])

    def information(fitted: Fit) -> float:
        state = PairingState.of(4, [])
        gain = ExpectedGain(fitted, state.asked)
        gain.theta = np.zeros(4)
        return float(gain.information(np.array([0]), np.array([1]))[0])

    assert information(unbiased) == pytest.approx(0.25, abs=0.001)
    assert information(biased) < information(unbiased)


def test_a_round_planned_while_another_is_judged_asks_other_pairs() -> None:
    run = judged_run(30, 6)
    first = plan_pairs(run.state(), count=15, seed=3)
    asked = [*map(tuple, run.asked.tolist()), *((pair.slot_a, pair.slot_b) for pair in first)]

    second = plan_pairs(PairingState.of(30, asked, fit=run.fit()), count=15, seed=4)

    assert {(pair.slot_a, pair.slot_b) for pair in second}.isdisjoint(asked)
    assert len(second) == 15


def test_items_cut_off_by_failed_judgements_are_linked_again_in_the_next_round() -> None:
    run = judged_run(20, 4)
    left = [pair for pair in run.asked.tolist() if 7 not in pair and 9 not in pair]

    pairs = plan_pairs(PairingState.of(20, left), count=10, seed=5)

    linked = PairingState.of(20, [*left, *((pair.slot_a, pair.slot_b) for pair in pairs)])
    assert linked.asked.components().max() == 0
    assert len(pairs) == 10


@few_examples
@given(st.integers(2, 30), st.integers(0, 8), seeds, policies)
def test_the_same_seed_and_answers_give_the_same_pairs(
    essays: int, rounds: int, seed: int, policy: Policy
) -> None:
    once, again = (
        plan_pairs(
            judged_run(essays, rounds, seed=seed, policy=policy).state(),
            count=essays,
            seed=seed,
            policy=policy,
        )
        for _ in range(2)
    )

    assert once == again


def test_answers_that_came_in_another_order_give_the_same_pairs() -> None:
    run = judged_run(30, 6)
    turned = PairingState.of(30, run.asked[::-1], random_links=run.state().random_links, fit=run.fit())

    assert plan_pairs(turned, count=15, seed=1) == plan_pairs(run.state(), count=15, seed=1)


@pytest.mark.parametrize(("essays", "limit_seconds"), [(300, 0.1), (3000, 2.0)])
def test_planning_is_quick(essays: int, limit_seconds: float) -> None:
    run = judged_run(essays, 4)
    state = run.state()
    assert state.fit is not None
    _ = state.fit.variances

    durations = []
    for seed in range(3):
        started = time.process_time()
        plan_pairs(state, count=essays // 2, seed=seed)
        durations.append(time.process_time() - started)

    assert min(durations) < limit_seconds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, []), "two"),
        ((5, [(0, 5)]), "items 0 to 4"),
        ((5, [(2, 2)]), "items 0 to 4"),
    ],
)
def test_invalid_pairs_are_rejected(arguments: tuple[int, list[tuple[int, int]]], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        PairingState.of(*arguments)


def test_a_fit_of_other_items_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="fit is of 4 items"):
        PairingState.of(5, [], fit=chain_fit([True, False]))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_0_and_1(share: float) -> None:
    with pytest.raises(InvalidArgument, match="random_link_share"):
        PairingSettings(random_link_share=share)


def test_a_count_of_zero_plans_no_pairs() -> None:
    assert plan_pairs(PairingState.of(10, []), count=0, seed=0) == ()


def test_the_cycle_and_random_links_are_what_counts_as_random() -> None:
    assert {Reason.CYCLE, Reason.RANDOM_LINK} == RANDOM_REASONS
