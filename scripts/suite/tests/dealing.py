"""Dealing long tests out, so that each process of a run begins with its share of them."""

from collections.abc import Callable, Hashable, Sequence
from itertools import groupby
from typing import TypeVar

TestT = TypeVar("TestT")


def dealt(
    tests: Sequence[TestT],
    *,
    hands: int,
    is_long: Callable[[TestT], bool],
    file_of: Callable[[TestT], Hashable],
) -> list[TestT]:
    """The tests in ``hands`` parts of equal length, one after the other; long ones file by file, at the head of each.

    pytest-xdist cuts the list into one part of equal length per process, so the first would have nearly all long tests
    where they come first.
    """
    long = [test for test in tests if is_long(test)]
    short = iter([test for test in tests if not is_long(test)])
    parts: list[list[TestT]] = [[] for _ in range(hands)]
    for number, (_, file) in enumerate(groupby(long, key=file_of)):
        parts[number % hands].extend(file)
    left = len(tests)
    for number, part in enumerate(parts):
        room = left // (hands - number) - len(part)
        part.extend(test for _, test in zip(range(room), short, strict=False))
        left -= len(part)
    return [test for part in parts for test in part]
