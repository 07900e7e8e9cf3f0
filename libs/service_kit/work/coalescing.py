"""Work on single items together: those that arrive during one transaction share the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from service_kit.work.isolation import isolate

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

BATCH_SIZE: Final = 500


@dataclass(kw_only=True)
class Coalesce(Generic[ItemT, ResultT]):
    """The first item is handled immediately; no caller waits for others to arrive.

    ``handle`` does all of a set or nothing, and returns a result per item. An item that makes its set fail gets its
    own error, the others of the set their results; an infrastructure error is raised for all of them.
    """

    handle: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]]
    batch_size: int = BATCH_SIZE
    _waiting: list[tuple[ItemT, asyncio.Future[ResultT]]] = field(default_factory=list, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def __call__(self, item: ItemT) -> ResultT:
        """Handle one item; raises what ``handle`` raises for it."""
        answer: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        async with self._turn:
            while self._waiting and not answer.done():
                # A caller that hangs up must not undo the work for the others.
                await asyncio.shield(asyncio.create_task(self._handle_waiting()))
        return await answer

    async def _handle_waiting(self) -> None:
        together, self._waiting = self._waiting[: self.batch_size], self._waiting[self.batch_size :]
        try:
            failures = await isolate(together, self._handle_part)
        except Exception as error:  # every waiting caller gets the error
            for _, answer in together:
                if not answer.done():
                    answer.set_exception(error)
            return
        for failure in failures:
            _, answer = failure.item
            if not answer.done():
                answer.set_exception(failure.error)

    async def _handle_part(self, part: Sequence[tuple[ItemT, asyncio.Future[ResultT]]]) -> None:
        results = await self.handle([item for item, _ in part])
        for (_, answer), result in zip(part, results, strict=True):
            if not answer.done():
                answer.set_result(result)
