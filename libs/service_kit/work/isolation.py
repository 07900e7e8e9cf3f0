"""Narrowing: when a set of items cannot be handled, find the item at fault and handle the others in the same step."""

from collections import deque
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


async def isolate_largest_first(
    items: Sequence[ItemT], handle: Callable[[Sequence[ItemT]], Awaitable[None]]
) -> list[Failure[ItemT]]:
    """As ``isolate``, for items whose order does not matter: the largest parts are handled first.

    So good items do not wait until each bad one before them has been found, which takes long where there are many.
    """
    failures: list[Failure[ItemT]] = []
    parts = deque([items] if items else [])
    while parts:
        part = parts.popleft()
        try:
            await handle(part)
        except Exception as error:
            if is_infrastructure_error(error):
                raise
            if len(part) == 1:
                failures.append(Failure(part[0], error))
            else:
                middle = len(part) // 2
                parts += [part[:middle], part[middle:]]
    return failures
