"""Graphs of needs: everything that something needs, and an order in which all of it can be done."""

from collections.abc import Collection, Hashable, Iterable, Mapping
from graphlib import TopologicalSorter
from typing import TypeVar

NodeT = TypeVar("NodeT", bound=Hashable)


def closure(needs: Mapping[NodeT, Collection[NodeT]], wanted: Iterable[NodeT]) -> frozenset[NodeT]:
    """``wanted`` and everything that they need, directly or not; each need is followed once."""
    found: set[NodeT] = set()
    waiting = list(wanted)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += needs[node]
    return frozenset(found)


def execution_order(needs: Mapping[NodeT, Collection[NodeT]]) -> tuple[NodeT, ...]:
    """All nodes, each after what it needs, always the same for the same mapping.

    Raises ``graphlib.CycleError``, whose second argument is the cycle.
    """
    return tuple(TopologicalSorter(needs).static_order())
