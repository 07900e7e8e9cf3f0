"""What waiting in a test promises: it ends with what is waited for, and a wait in vain says what did not happen."""

import asyncio

import pytest
from service_kit.tests.waiting import eventually, read_until


async def test_a_wait_ends_when_the_condition_comes_true() -> None:
    answers = iter((False, False, True))

    await eventually(lambda: next(answers), every=0)

    assert next(answers, None) is None


async def test_a_wait_returns_what_it_has_read() -> None:
    numbers = iter(range(10))

    async def read() -> int:
        return next(numbers)

    assert await read_until(read, holds=lambda number: number > 2, every=0) == 3


async def test_a_wait_in_vain_says_what_did_not_happen() -> None:
    with pytest.raises(AssertionError, match=r"^not in 0\.1 s: the message arrives$"):
        await eventually(lambda: False, what="the message arrives", seconds=0.1)


async def test_a_read_that_never_ends_is_a_wait_in_vain() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match=r"the answer comes"):
        await read_until(hang, holds=lambda _: True, what="the answer comes", seconds=0.1)


async def test_an_error_while_reading_is_raised_as_it_is() -> None:
    async def fail() -> bool:
        raise TimeoutError("the server's own")

    with pytest.raises(TimeoutError, match="the server's own"):
        await read_until(fail, holds=bool, what="the answer comes")
