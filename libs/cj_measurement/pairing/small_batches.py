"""The order in which a small batch is judged: all pairs, then all pairs in the other order, and so on.

The first pass is a round robin by the circle method, its sides alternating (de Werra 1981, canonical pattern), so
that every item's slots are even within one after each round. The second pass takes the rounds backwards with the
slots exchanged: it retraces every item's lead, so the slots stay even, and ends with each pair judged in both orders.
"""

from functools import cache

import numpy as np

from cj_measurement.pairing.asked_pairs import AskedPairs

Ordered = tuple[int, int]


@cache
def round_robin(n_items: int) -> tuple[tuple[Ordered, ...], ...]:
    """Rounds of ordered pairs (slot A, slot B) in which every pair of ``n_items`` meets exactly once."""
    modulus = n_items - 1 if n_items % 2 == 0 else n_items
    return tuple(_round(number, modulus, n_items) for number in range(modulus))


def _round(number: int, modulus: int, n_items: int) -> tuple[Ordered, ...]:
    pairs: list[Ordered] = []
    if n_items % 2 == 0:
        pairs.append(_seated(number, n_items - 1, first=number % 2 == 0))
    for step in range(1, (modulus + 1) // 2):
        pairs.append(_seated((number + step) % modulus, (number - step) % modulus, first=step % 2 == 1))
    return tuple(pairs)


def _seated(one: int, other: int, *, first: bool) -> Ordered:
    return (one, other) if first else (other, one)


@cache
def _both_passes(n_items: int) -> tuple[Ordered, ...]:
    forth = [pair for pairs in round_robin(n_items) for pair in pairs]
    return (*forth, *((b, a) for a, b in reversed(forth)))


def next_pairs(asked: AskedPairs, *, count: int) -> list[Ordered]:
    """Up to ``count`` pairs that come next; once something was asked, no item twice.

    An item that must wait for the next round keeps its partner waiting too, so that each takes its slots in order.
    """
    order = np.array(_both_passes(asked.n_items))
    by_turn = np.argsort(asked.times(order[:, 0], order[:, 1]), kind="stable")
    chosen: list[Ordered] = []
    waiting: set[int] = set()
    for a, b in order[by_turn].tolist():
        if len(chosen) == count:
            break
        if not waiting.intersection((a, b)):
            chosen.append((a, b))
        if asked.n_pairs > 0:
            waiting.update((a, b))
    return chosen
