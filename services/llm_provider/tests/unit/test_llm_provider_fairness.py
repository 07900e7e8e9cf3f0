"""Whose turn it is: no caller's batch gets ahead of another's, however many requests each brings, and when."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from llm_provider.domain.requests.fair_turns import Lane, LanePosition, Turn, fair_turns, head_turn

Waiting = list[tuple[Turn, int, Lane]]


def lane(caller: str) -> Lane:
    return Lane(provider="mock", model="m", priority=0, caller=caller)


def join(waiting: Waiting, lanes: Sequence[Lane], *, seq: int) -> None:
    """Let requests join the queue, as the database does it."""
    head = min((turn for turn, _, _ in waiting), default=None)
    positions = {
        one: LanePosition(
            head=head, last=max((turn for turn, _, other in waiting if other == one), default=None)
        )
        for one in set(lanes)
    }
    turns = fair_turns(lanes, positions=positions)
    waiting += [(turn, seq + place, one) for place, (turn, one) in enumerate(zip(turns, lanes, strict=True))]


def serve(waiting: Waiting) -> Lane:
    first = min(waiting, key=lambda entry: entry[:2])
    waiting.remove(first)
    return first[2]


events = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 12)) | st.integers(1, 10), min_size=1, max_size=30
)


@given(events)
def test_two_batches_that_both_wait_are_never_served_more_than_one_apart(
    happenings: list[tuple[str, int] | int],
) -> None:
    waiting: Waiting = []
    served: Counter[tuple[str, str]] = Counter()
    seq = 0
    for happening in happenings:
        if isinstance(happening, tuple):
            caller, count = happening
            join(waiting, [lane(caller)] * count, seq=seq)
            seq += count
            continue
        for _ in range(min(happening, len(waiting))):
            first = serve(waiting)
            both = {entry[2].caller for entry in waiting} | {first.caller}
            for pair in (("a", "b"), ("a", "c"), ("b", "c")):
                if not set(pair) <= both:
                    served[pair] = 0
                elif first.caller in pair:
                    served[pair] += 1 if first.caller == pair[0] else -1
                assert abs(served[pair]) <= 2, "two may join at one turn; beyond that no batch gets ahead"


def test_a_small_batch_that_comes_late_is_served_among_the_first() -> None:
    waiting: Waiting = []
    join(waiting, [lane("large")] * 1_000, seq=0)
    for _ in range(100):
        serve(waiting)
    join(waiting, [lane("small")] * 3, seq=1_000)

    order = [serve(waiting).caller for _ in range(8)]

    assert order.count("small") == 3


def test_the_requests_of_one_batch_keep_their_order() -> None:
    lanes = [lane("a"), lane("b"), lane("a"), lane("a"), lane("b")]
    positions = {
        lane("a"): LanePosition(head=Turn(5), last=Turn(9)),
        lane("b"): LanePosition(head=Turn(5), last=None),
    }

    turns = fair_turns(lanes, positions=positions)

    assert turns == [10, 5, 11, 12, 6]


def test_a_request_that_comes_back_goes_to_the_head() -> None:
    assert head_turn(LanePosition(head=Turn(41), last=Turn(99))) == 41
    assert head_turn(LanePosition()) == 0
