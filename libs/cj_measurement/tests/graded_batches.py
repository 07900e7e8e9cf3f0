"""Simulated batches whose judges say more than the winner, as tests of graded verdicts use them."""

import numpy as np
from cj_measurement import Comparisons, Says, SimulatedJudge
from cj_measurement.comparisons import FloatArray
from cj_measurement.simulated_judges import Answers, Verdicts

MARGINS = SimulatedJudge(sd=2.0, position_bias=0.3, says=Says.MARGIN)


def graded_batch(
    n_items: int = 40,
    *,
    per_item: int = 10,
    judge: SimulatedJudge = MARGINS,
    other_judges: tuple[SimulatedJudge, ...] = (),
    seed: int = 0,
    both_orders: bool = False,
) -> tuple[FloatArray, Comparisons]:
    """Abilities, and random cycles through all items; with ``both_orders`` each pair in the other order too."""
    rng = np.random.default_rng(seed)
    truth = judge.abilities(n_items, rng)
    cycles = [rng.permutation(n_items) for _ in range(per_item // 2)]
    slots = np.concatenate([np.column_stack([cycle, np.roll(cycle, 1)]) for cycle in cycles])
    if both_orders:
        slots = np.concatenate([slots, slots[:, ::-1]])
    every = [Verdicts(each, truth, seed=seed).about(slots, rng) for each in (judge, *other_judges)]
    answers = Answers.chosen(every, rng.integers(0, len(every), len(slots)))
    return truth, comparisons_of(n_items, slots, answers)


def comparisons_of(
    n_items: int, slots: "np.ndarray[tuple[int, int], np.dtype[np.int64]]", answers: Answers
) -> Comparisons:
    """What these answers say about these pairs."""
    return Comparisons.of(
        n_items,
        slots[:, 0],
        slots[:, 1],
        answers.a_won,
        answers.judge,
        margin=answers.margin,
        confidence=answers.confidence,
        log_odds=answers.log_odds,
    )
