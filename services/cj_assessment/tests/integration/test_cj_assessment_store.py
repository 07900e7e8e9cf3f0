"""Comparisons wait, are sent, are answered or given up: in fair turns, within their budget, each settled once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from uuid import uuid4

import pytest
from cj_assessment.adapters.tables import metadata
from cj_assessment.domain.comparison import AttemptPolicy, UnsentAttempt
from cj_assessment.settings import MIGRATIONS
from cj_assessment.tests.storing import POLICY, Stored, answer, stored
from event_contracts import ErrorCode, Winner
from service_kit.storage.database import migrate

PAIRS = list(permutations(range(8), 2))
LATER = ErrorCode.LLM_PROVIDER_TIMEOUT
NEVER = ErrorCode.LLM_PROVIDER_API_ERROR
OVER_AT_ONCE = AttemptPolicy(answer_within=timedelta(0))


@pytest.fixture(scope="module")
def module_database(make_database: Callable[[str], str]) -> str:
    return make_database("cj")


@pytest.fixture
async def desk(module_database: str) -> AsyncIterator[Stored]:
    await migrate(module_database, MIGRATIONS)
    async with stored(module_database) as opened:
        yield opened
        await opened.execute(f"TRUNCATE {', '.join(metadata.tables)}")


async def states(desk: Stored) -> Counter[str]:
    return Counter(row.state for row in await desk.rows("SELECT state FROM comparison"))


async def money_committed(desk: Stored) -> Decimal:
    """Spent, and set aside for answers that are outstanding."""
    [row] = await desk.rows(
        "SELECT sum(cost_usd) + sum(reserved_usd) FILTER (WHERE outcome IS NULL OR outcome = 'expired') AS usd"
        " FROM comparison_attempt"
    )
    return Decimal(row.usd)


async def test_batches_take_turns_however_many_pairs_each_has(desk: Stored) -> None:
    large, small = await desk.batch(PAIRS), await desk.batch(PAIRS[:3])

    started = await desk.start(6)

    assert Counter(attempt.job_id for attempt in started) == {large.job_id: 3, small.job_id: 3}


async def test_two_replicas_never_start_the_same_comparison(desk: Stored) -> None:
    await desk.batch(PAIRS)

    both = await asyncio.gather(*(desk.start(10) for _ in range(4)))

    started = [attempt.attempt_id for attempts in both for attempt in attempts]
    assert 10 <= len(started) == len(set(started))
    assert await states(desk) == {"submitted": len(started), "pending": len(PAIRS) - len(started)}


async def test_no_more_is_started_than_the_cap_pays_for_at_the_highest_cost(desk: Stored) -> None:
    await desk.batch(PAIRS, max_cost_usd=Decimal("0.10"), cap_usd=Decimal("0.03"))

    started = await desk.start()

    assert len(started) == 3
    assert await money_committed(desk) == Decimal("0.09")


async def test_what_an_answer_did_not_cost_is_there_to_be_spent_again(desk: Stored) -> None:
    await desk.batch(PAIRS, max_cost_usd=Decimal("0.10"), cap_usd=Decimal("0.03"))
    started = await desk.start()
    await desk.record(*(answer(attempt.attempt_id, cost_usd=Decimal("0.01")) for attempt in started))

    more = await desk.start()

    assert len(more) == 2
    assert await money_committed(desk) == Decimal("0.09")


async def test_two_hundred_replicas_at_once_do_not_exceed_a_cap(desk: Stored) -> None:
    await desk.batch(PAIRS, max_cost_usd=Decimal("0.10"), cap_usd=Decimal("0.01"))

    started = [
        attempt
        for attempts in await asyncio.gather(*(desk.start(3) for _ in range(200)))
        for attempt in attempts
    ]

    assert 0 < len(started) <= 10
    assert await money_committed(desk) <= Decimal("0.10")


async def test_an_answer_that_is_long_in_coming_keeps_its_money_set_aside(desk: Stored) -> None:
    await desk.batch(PAIRS, max_cost_usd=Decimal("0.03"), cap_usd=Decimal("0.03"))
    await desk.start(policy=OVER_AT_ONCE)
    await expire(desk)

    assert not await desk.start()
    assert await money_committed(desk) == Decimal("0.03")


async def expire(desk: Stored, *, policy: AttemptPolicy = POLICY) -> int:
    async with desk.store.transaction() as transaction:
        return await transaction.expire_attempts(limit=500, policy=policy)


async def one_attempt(desk: Stored, *, policy: AttemptPolicy = POLICY) -> UnsentAttempt:
    await desk.batch(PAIRS[:1])
    [attempt] = await desk.start(policy=policy)
    return attempt


async def test_an_answer_settles_its_comparison_once(desk: Stored) -> None:
    attempt = await one_attempt(desk)

    first = await desk.record(answer(attempt.attempt_id, winner=Winner.ESSAY_A))
    second = await desk.record(answer(attempt.attempt_id, winner=Winner.ESSAY_B))

    [row] = await desk.rows("SELECT state, a_won FROM comparison")
    assert (first.new, second.new, second.repeated) == (1, 0, 1)
    assert (row.state, row.a_won) == ("judged", True)


async def test_an_answer_to_nothing_of_ours_is_counted_and_changes_nothing(desk: Stored) -> None:
    await one_attempt(desk)

    recorded = await desk.record(answer(uuid4()))

    assert (recorded.new, recorded.unknown) == (0, 1)
    assert await states(desk) == {"submitted": 1}


async def test_an_overdue_attempt_is_given_up_and_its_comparison_asked_again_later(desk: Stored) -> None:
    await one_attempt(desk, policy=OVER_AT_ONCE)

    assert await expire(desk) == 1

    [row] = await desk.rows("SELECT state, not_before > now() AS later FROM comparison")
    assert (row.state, row.later) == ("pending", True)


async def test_the_late_vote_of_an_expired_attempt_counts_and_nobody_is_asked_again(desk: Stored) -> None:
    attempt = await one_attempt(desk, policy=OVER_AT_ONCE)
    await expire(desk)

    recorded = await desk.record(answer(attempt.attempt_id))
    await desk.execute("UPDATE comparison SET not_before = now()")

    assert recorded.new == 1
    assert await states(desk) == {"judged": 1}
    assert not await desk.start()


async def test_the_late_failure_of_an_older_attempt_does_not_end_the_newer_one(desk: Stored) -> None:
    older = await one_attempt(desk, policy=OVER_AT_ONCE)
    await expire(desk)
    await desk.execute("UPDATE comparison SET not_before = now()")
    [newer] = await desk.start()

    await desk.record(answer(older.attempt_id, error_code=NEVER))

    assert await states(desk) == {"submitted": 1}
    await desk.record(answer(newer.attempt_id))
    assert await states(desk) == {"judged": 1}


async def test_pauses_grow_and_differ_and_the_last_attempt_is_the_last(desk: Stored) -> None:
    await desk.batch(PAIRS[:40])
    pauses: list[list[float]] = []
    for _ in range(POLICY.max_attempts):
        started = await desk.start()
        await desk.record(*(answer(attempt.attempt_id, error_code=LATER) for attempt in started))
        rows = await desk.rows(
            "SELECT extract(epoch FROM not_before - now())::float8 AS pause FROM comparison"
        )
        pauses.append([row.pause for row in rows])
        await desk.execute("UPDATE comparison SET not_before = now()")

    first, second = sorted(pauses[0]), sorted(pauses[1])
    assert 0.9 < first[0] < first[-1] < 3.01
    assert 1.9 < second[0] < second[-1] < 6.01
    assert await states(desk) == {"failed": 40}


async def test_what_can_never_succeed_fails_at_once(desk: Stored) -> None:
    attempt = await one_attempt(desk)

    await desk.record(answer(attempt.attempt_id, error_code=NEVER))

    assert await states(desk) == {"failed": 1}


async def test_an_attempt_that_nobody_sent_is_sent_by_somebody_else_under_its_own_id(desk: Stored) -> None:
    attempt = await one_attempt(desk, policy=AttemptPolicy(resend_after=timedelta(0)))

    async with desk.store.transaction() as transaction:
        again = await transaction.take_unsent(limit=10, policy=POLICY)
        once_more = await transaction.take_unsent(limit=10, policy=POLICY)

    assert [unsent.attempt_id for unsent in again] == [attempt.attempt_id]
    assert once_more == []
