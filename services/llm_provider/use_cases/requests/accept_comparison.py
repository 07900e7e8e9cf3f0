"""Accept single comparisons together: those that arrive during one transaction share the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from event_contracts import ComparisonAccepted, ComparisonBatchItem, SuiteError

from llm_provider.use_cases.requests.accept_comparisons import Outcome

BATCH_SIZE = 500


@dataclass(frozen=True, kw_only=True)
class GatherComparisons:
    """The first is accepted at once; no caller waits for others to arrive."""

    accept: Callable[[Sequence[ComparisonBatchItem]], Awaitable[Sequence[Outcome]]]
    waiting: list[tuple[ComparisonBatchItem, asyncio.Future[Outcome]]] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, item: ComparisonBatchItem) -> ComparisonAccepted:
        """Queue one request; raises the error that refuses it."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.waiting.append((item, answer))
        async with self.turn:
            if self.waiting:
                # A caller that hangs up must not undo the work for the others.
                await asyncio.shield(asyncio.create_task(self._accept_waiting()))
        outcome = await answer
        if isinstance(outcome, SuiteError):
            raise outcome
        return outcome

    async def _accept_waiting(self) -> None:
        together, self.waiting[:] = self.waiting[:BATCH_SIZE], self.waiting[BATCH_SIZE:]
        try:
            outcomes = await self.accept([item for item, _ in together])
        except Exception as error:  # every waiting caller gets the error
            for _, answer in together:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), outcome in zip(together, outcomes, strict=True):
            if not answer.done():
                answer.set_result(outcome)
