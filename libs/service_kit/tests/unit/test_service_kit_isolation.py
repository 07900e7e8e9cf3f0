"""What narrowing promises: the item at fault is found, the others are handled once, outages blame no item."""

from collections.abc import Sequence

import pytest
from event_contracts import Unavailable
from hypothesis import given
from hypothesis import strategies as st
from service_kit.work.isolation import isolate, isolate_largest_first


class Handler:
    """Handles a set unless a poisonous item is in it."""

    def __init__(self, poisonous: set[int]) -> None:
        self.poisonous = poisonous
        self.handled: list[int] = []
        self.calls = 0

    async def __call__(self, items: Sequence[int]) -> None:
        self.calls += 1
        found = self.poisonous.intersection(items)
        if found:
            raise ValueError(f"cannot handle {min(found)}")
        self.handled += items


@given(st.lists(st.integers(0, 60), unique=True), st.sets(st.integers(0, 60)))
async def test_every_item_is_handled_once_or_reported_with_its_own_error(
    items: list[int], poisonous: set[int]
) -> None:
    handler = Handler(poisonous)

    failures = await isolate(items, handler)

    assert handler.handled == [item for item in items if item not in poisonous]
    assert [failure.item for failure in failures] == [item for item in items if item in poisonous]
    assert all(str(failure.error) == f"cannot handle {failure.item}" for failure in failures)


async def test_one_bad_item_among_many_costs_few_calls() -> None:
    handler = Handler({317})

    await isolate(range(500), handler)

    assert handler.calls <= 2 * 9 + 1


async def test_an_outage_is_raised_and_blames_no_item() -> None:
    async def handle(items: Sequence[int]) -> None:
        if len(items) == 1:
            raise Unavailable("the database is unavailable", retry_after=1)
        raise ValueError("somewhere in here")

    with pytest.raises(Unavailable):
        await isolate([1, 2, 3], handle)


async def test_nothing_to_handle_calls_nobody() -> None:
    handler = Handler(set())

    assert await isolate([], handler) == []
    assert handler.calls == 0


@given(st.lists(st.integers(0, 60), unique=True), st.sets(st.integers(0, 60)))
async def test_largest_first_handles_and_reports_the_same(items: list[int], poisonous: set[int]) -> None:
    handler = Handler(poisonous)

    failures = await isolate_largest_first(items, handler)

    assert sorted(handler.handled) == sorted(item for item in items if item not in poisonous)
    assert sorted(failure.item for failure in failures) == sorted(poisonous.intersection(items))
    assert all(str(failure.error) == f"cannot handle {failure.item}" for failure in failures)


async def test_largest_first_good_items_do_not_wait_for_many_bad_ones() -> None:
    handler = Handler(set(range(250)))
    calls_before: list[int] = []

    async def handle(items: Sequence[int]) -> None:
        await handler(items)
        calls_before.append(handler.calls)

    await isolate_largest_first(range(500), handle)

    assert sorted(handler.handled) == list(range(250, 500))
    assert calls_before == [3]
