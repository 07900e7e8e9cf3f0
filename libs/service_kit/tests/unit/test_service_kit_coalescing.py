"""Items that arrive together are handled together, and each caller gets what is its own."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from event_contracts import Unavailable
from service_kit.work.coalescing import Coalesce


@dataclass
class Handler:
    """Doubles numbers; the first set waits until it is let go."""

    poisonous: frozenset[int] = frozenset()
    is_away: bool = False
    sets: list[list[int]] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.sets.append(list(items))
        await self.go.wait()
        if self.is_away:
            raise Unavailable("the database is unavailable", retry_after=1.0)
        if bad := self.poisonous.intersection(items):
            raise ValueError(f"cannot handle {sorted(bad)}")
        return [2 * item for item in items]


async def started(coalesce: Coalesce[int, int], items: Sequence[int]) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(coalesce(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_what_arrives_during_a_set_is_handled_as_the_next_set() -> None:
    handler = Handler()
    tasks = await started(Coalesce(handle=handler), [1, 2, 3])

    handler.go.set()

    assert await asyncio.gather(*tasks) == [2, 4, 6]
    assert [item for part in handler.sets for item in part] == [1, 2, 3]
    assert len(handler.sets) <= 2


async def test_an_item_that_cannot_be_handled_fails_its_own_caller_only() -> None:
    handler = Handler(poisonous=frozenset({2}))
    tasks = await started(Coalesce(handle=handler), [1, 2, 3])

    handler.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert (results[0], results[2]) == (2, 6)
    assert isinstance(results[1], ValueError)


async def test_an_outage_is_told_to_every_caller_that_waits() -> None:
    handler = Handler(is_away=True)
    tasks = await started(Coalesce(handle=handler), [1, 2])

    handler.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(result, Unavailable) for result in results)


async def test_a_caller_that_hangs_up_takes_no_other_item_with_it() -> None:
    handler = Handler()
    first, second, third = await started(Coalesce(handle=handler), [1, 2, 3])

    first.cancel()
    handler.go.set()

    assert [await second, await third] == [4, 6]
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_set_is_no_larger_than_its_limit() -> None:
    handler = Handler()
    tasks = await started(Coalesce(handle=handler, batch_size=2), range(7))

    handler.go.set()

    assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8, 10, 12]
    assert max(map(len, handler.sets)) == 2
