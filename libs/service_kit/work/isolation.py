"""Narrowing: when a set of items cannot be handled, find the item at fault and handle the others in the same step."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from service_kit.storage.errors import is_infrastructure_error

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Failure(Generic[ItemT]):
    """An item that cannot be handled, and the error that says so."""

    item: ItemT
    error: Exception


async def isolate(
    items: Sequence[ItemT], handle: Callable[[Sequence[ItemT]], Awaitable[None]]
) -> list[Failure[ItemT]]:
    """Handle a set of items; return those that fail on their own, each with its error.

    ``handle`` takes any part of the set and does all of it or nothing: one transaction. A set that fails is split in
    two until the failing item is alone, so one bad item among n costs about 2 log2(n) more calls. Errors of the
    infrastructure are raised: they say nothing about any item.
    """
    if not items:
        return []
    try:
        await handle(items)
    except Exception as error:
        if is_infrastructure_error(error):
            raise
        if len(items) == 1:
            return [Failure(items[0], error)]
    else:
        return []
    middle = len(items) // 2
    return [*await isolate(items[:middle], handle), *await isolate(items[middle:], handle)]
