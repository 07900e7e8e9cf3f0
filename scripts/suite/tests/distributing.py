"""The order of tests in a run of several processes: each begins with its share of the long ones."""

from collections.abc import Callable, Hashable, Sequence
from itertools import groupby
from typing import TypeVar

TestT = TypeVar("TestT")


def distribute(
    tests: Sequence[TestT],
    *,
    processes: int,
    is_long: Callable[[TestT], bool],
    file_of: Callable[[TestT], Hashable],
) -> list[TestT]:
    """The tests in ``processes`` parts of equal length, one after the other; long ones first in each, by file.

    pytest-xdist gives each process one such part: in another order, the first might have nearly all of the long tests.
    """
    long = [test for test in tests if is_long(test)]
    short = iter([test for test in tests if not is_long(test)])
    parts: list[list[TestT]] = [[] for _ in range(processes)]
    for number, (_, file) in enumerate(groupby(long, key=file_of)):
        parts[number % processes].extend(file)
    left = len(tests)
    for number, part in enumerate(parts):
        room = left // (processes - number) - len(part)
        part.extend(test for _, test in zip(range(room), short, strict=False))
        left -= len(part)
    return [test for part in parts for test in part]
