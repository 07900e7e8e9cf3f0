"""Whose turn it is: requests of different callers' batches are interleaved, however many each brings.

Start-time fair queueing (Goyal, Vin & Cheng 1996) with requests of equal cost. Every waiting request has a turn, and
the lowest is served first. A lane's requests get consecutive turns, behind those that it has waiting already; a lane
that has none starts at the head of the queue, the lowest turn that waits. So of two lanes that both have requests
waiting, neither is ever served more than one request ahead of the other, and a claim is a plain walk of an index.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NewType

Turn = NewType("Turn", int)

FIRST_TURN = Turn(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What shares one place in the order: a caller's batch, at one model and one priority."""

    provider: str
    model: str
    priority: int
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePosition:
    """The turn at the head of the queue that a lane is in, and the lane's own last one; None where nothing waits."""

    head: Turn | None = None
    last: Turn | None = None


def fair_turns(lanes: Sequence[Lane], *, positions: Mapping[Lane, LanePosition]) -> list[Turn]:
    """The turns of requests that join the queue together, in their order; ``lanes`` names the lane of each."""
    following = {lane: _next_turn(position) for lane, position in positions.items()}
    turns: list[Turn] = []
    for lane in lanes:
        turns.append(following[lane])
        following[lane] = Turn(following[lane] + 1)
    return turns


def head_turn(position: LanePosition) -> Turn:
    """The turn of a request that was served before and comes back: it goes to the head."""
    return FIRST_TURN if position.head is None else position.head


def _next_turn(position: LanePosition) -> Turn:
    head = head_turn(position)
    return head if position.last is None else max(head, Turn(position.last + 1))
