"""Comparisons wait, are sent, are answered or expire: in fair turns, within their budget, each settled once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from uuid import uuid4

import pytest
from cj_assessment.domain.batch import Batch
from cj_assessment.domain.comparison import Answer, AttemptId, UnsentAttempt
from cj_assessment.ports import Usage
from cj_assessment.tests.postgres_fixtures import POLICY, REQUEST, Stored, StoredInPostgres, answer
from event_contracts import AssessmentState, ErrorCode, LogOdds, StopReason, Winner

PAIRS = list(permutations(range(8), 2))
FAILED = ErrorCode.LLM_PROVIDER_TIMEOUT
A_MOMENT = timedelta(seconds=1)


async def one_sent(storage: Stored) -> UnsentAttempt:
    await storage.batch(PAIRS[:1])
    [attempt] = await storage.send()
    return attempt


async def expire(storage: Stored, *, lost: bool = False) -> int:
    async with storage.store.transaction() as transaction:
        due = await transaction.attempts.take_overdue(limit=500)
        await transaction.attempts.expire(due.keys, lost=due.keys if lost else (), policy=POLICY)
    return len(due.keys)


async def end(storage: Stored, batch: Batch) -> None:
    async with storage.store.transaction() as transaction:
        await transaction.batches.end(
            batch.job_id,
            state=AssessmentState.CANCELLED,
            stop_reason=StopReason.CANCELLED,
            result=None,
            error=None,
        )


async def usage(storage: Stored, batch: Batch) -> Usage:
    async with storage.store.transaction() as transaction:
        return await transaction.attempts.usage(batch.job_id)


async def test_batches_take_turns_however_many_pairs_each_has(storage: Stored) -> None:
    large, small = await storage.batch(PAIRS), await storage.batch(PAIRS[:3])

    started = await storage.start(6)

    assert Counter(attempt.job_id for attempt in started) == {large.job_id: 3, small.job_id: 3}


async def test_an_attempt_names_its_essays_and_the_size_of_their_texts(storage: Stored) -> None:
    batch = await storage.batch([(2, 5)])

    [attempt] = await storage.start()

    assert (attempt.job_id, attempt.batch_id) == (batch.job_id, batch.batch_id)
    assert (attempt.item_a, attempt.item_b) == (2, 5)
    assert (attempt.essay_a_id, attempt.essay_b_id) == ("e2", "e5")
    assert attempt.text_bytes == len("This is text number 2.This is text number 5.")


async def test_attempts_have_ids_that_no_other_database_has(storage: Stored) -> None:
    await storage.batch(PAIRS)

    started = await storage.start()

    assert {attempt.attempt_id.version for attempt in started} == {4}
    assert len({attempt.attempt_id for attempt in started}) == len(PAIRS)


async def test_no_more_is_started_than_the_cap_pays_for_at_the_highest_cost(storage: Stored) -> None:
    await storage.batch(PAIRS, max_cost_usd=Decimal("0.10"), cap_usd=Decimal("0.03"))

    started = await storage.start()

    assert len(started) == 3
    assert await storage.committed_usd() == Decimal("0.09")


async def test_two_hundred_replicas_at_once_do_not_exceed_a_cap(postgres: StoredInPostgres) -> None:
    await postgres.batch(PAIRS, max_cost_usd=Decimal("0.10"), cap_usd=Decimal("0.01"))

    started = [
        attempt
        for attempts in await asyncio.gather(*(postgres.start(3) for _ in range(200)))
        for attempt in attempts
    ]

    assert 0 < len(started) <= 10
    assert await postgres.committed_usd() <= Decimal("0.10")


async def test_what_an_answer_did_not_cost_can_be_spent_again(storage: Stored) -> None:
    await storage.batch(PAIRS, max_cost_usd=Decimal("0.10"), cap_usd=Decimal("0.03"))
    started = await storage.start()
    await storage.record(*(answer(attempt, cost_usd=Decimal("0.01")) for attempt in started))

    more = await storage.start()

    assert len(more) == 2
    assert await storage.committed_usd() == Decimal("0.09")


async def test_an_expired_attempt_keeps_its_money_reserved(storage: Stored) -> None:
    await storage.batch(PAIRS, max_cost_usd=Decimal("0.03"), cap_usd=Decimal("0.03"))
    await storage.send()
    await storage.backend.pass_time(POLICY.answer_timeout)
    await expire(storage)

    assert not await storage.start()
    assert await storage.committed_usd() == Decimal("0.03")


async def test_an_answer_settles_its_comparison_once(storage: Stored) -> None:
    attempt = await one_sent(storage)

    first = await storage.record(answer(attempt, winner=Winner.ESSAY_A))
    second = await storage.record(answer(attempt, winner=Winner.ESSAY_B))

    async with storage.store.transaction() as transaction:
        [compared] = await transaction.comparisons.asked(attempt.job_id)
    assert (first.new, second.new, second.repeated) == (1, 0, 1)
    assert (compared.state, compared.a_won, compared.judge) == ("judged", True, "mock/simulated")


async def test_an_answer_may_come_before_its_request_is_acknowledged(storage: Stored) -> None:
    await storage.batch(PAIRS[:1])
    [attempt] = await storage.start()

    recorded = await storage.record(answer(attempt))

    assert recorded.new == 1
    assert await storage.states() == {"judged": 1}


async def test_an_answer_to_nothing_of_ours_is_counted_and_changes_nothing(storage: Stored) -> None:
    attempt = await one_sent(storage)

    recorded = await storage.record(replace(answer(attempt), attempt_id=AttemptId(uuid4())))

    assert (recorded.new, recorded.unknown, recorded.mismatched) == (0, 1, 0)
    assert await storage.states() == {"submitted": 1}


def swapped(given: Answer) -> Answer:
    return replace(given, essay_a_id=given.essay_b_id, essay_b_id=given.essay_a_id)


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(swapped, id="swapped essays"),
        pytest.param(lambda given: replace(given, essay_a_id="e7"), id="another first essay"),
        pytest.param(lambda given: replace(given, essay_b_id="e7"), id="another second essay"),
        pytest.param(lambda given: replace(given, batch_id="another"), id="another batch"),
        pytest.param(lambda given: replace(given, request_id="another"), id="another request"),
    ],
)
async def test_an_answer_counts_only_for_the_request_batch_and_pair_that_it_names(
    storage: Stored, forge: Callable[[Answer], Answer]
) -> None:
    attempt = await one_sent(storage)
    genuine = answer(attempt, winner=Winner.ESSAY_B)

    recorded = await storage.record(forge(answer(attempt)))
    both = await storage.record(forge(answer(attempt)), genuine)

    assert (recorded.new, recorded.mismatched) == (0, 1)
    assert (both.new, both.mismatched) == (1, 1)
    async with storage.store.transaction() as transaction:
        [compared] = await transaction.comparisons.asked(attempt.job_id)
    assert (compared.state, compared.a_won) == ("judged", False)


async def test_an_error_of_the_llm_provider_is_final_and_another_pair_is_asked_instead(
    storage: Stored,
) -> None:
    attempt = await one_sent(storage)

    await storage.record(answer(attempt, error_code=FAILED))

    assert await storage.states() == {"failed": 1}
    assert not await storage.start()


async def test_a_refusal_fails_its_comparison(storage: Stored) -> None:
    await storage.batch(PAIRS[:2])
    refused, accepted = await storage.start()

    async with storage.store.transaction() as transaction:
        await transaction.attempts.mark_refused({refused.attempt_id: ("LLM_INVALID_CONFIG", "no such model")})

    assert await storage.states() == {"failed": 1, "submitted": 1}
    assert (await storage.record(answer(accepted))).new == 1


async def test_what_was_never_acknowledged_does_not_expire(storage: Stored) -> None:
    await storage.batch(PAIRS[:1])
    await storage.start()

    await storage.backend.pass_time(2 * POLICY.answer_timeout)

    assert await expire(storage) == 0
    assert await storage.states() == {"submitted": 1}


async def test_an_overdue_attempt_fails_its_comparison_and_its_late_vote_still_counts(
    storage: Stored,
) -> None:
    attempt = await one_sent(storage)
    await storage.backend.pass_time(POLICY.answer_timeout)

    assert await expire(storage) == 1
    assert await storage.states() == {"failed": 1}
    assert (await storage.record(answer(attempt))).new == 1
    assert await storage.states() == {"judged": 1}


async def test_a_lost_request_is_asked_once_more_and_no_more(storage: Stored) -> None:
    await one_sent(storage)
    for left in ({"pending": 1}, {"failed": 1}):
        await storage.backend.pass_time(POLICY.answer_timeout)
        await expire(storage, lost=True)
        assert await storage.states() == left
        await storage.send()


async def test_the_late_failure_of_an_older_attempt_does_not_end_the_newer_one(storage: Stored) -> None:
    older = await one_sent(storage)
    await storage.backend.pass_time(POLICY.answer_timeout)
    await expire(storage, lost=True)
    [newer] = await storage.send(request_id="request-2")

    await storage.record(answer(older, error_code=FAILED))

    assert await storage.states() == {"submitted": 1}
    await storage.record(answer(newer, request_id="request-2"))
    assert await storage.states() == {"judged": 1}


async def test_attempts_that_are_not_overdue_say_when_the_next_one_will_be(storage: Stored) -> None:
    await one_sent(storage)

    async with storage.store.transaction() as transaction:
        due = await transaction.attempts.take_overdue(limit=10)

    assert due.keys == ()
    assert due.rest_seconds == pytest.approx(POLICY.answer_timeout.total_seconds(), abs=60)


async def take_unsent(storage: Stored) -> list[AttemptId]:
    jobs = [batch.job_id for batch in storage.batches]
    async with storage.store.transaction() as transaction:
        unsent = await transaction.attempts.take_unsent(jobs, limit=10, policy=POLICY)
    return [attempt.attempt_id for attempt in unsent]


async def test_an_attempt_that_was_never_sent_is_sent_after_its_lease_under_its_own_id(
    storage: Stored,
) -> None:
    await storage.batch(PAIRS[:1])
    [attempt] = await storage.start()

    assert await take_unsent(storage) == []
    await storage.backend.pass_time(POLICY.resend_after)
    assert await take_unsent(storage) == [attempt.attempt_id]
    assert await take_unsent(storage) == []


async def test_a_released_attempt_is_sent_at_once(storage: Stored) -> None:
    await storage.batch(PAIRS[:1])
    [attempt] = await storage.start()

    async with storage.store.transaction() as transaction:
        await transaction.attempts.release([attempt.attempt_id])

    assert await take_unsent(storage) == [attempt.attempt_id]


async def waiting(storage: Stored) -> list[object]:
    async with storage.store.transaction() as transaction:
        return list((await transaction.attempts.take_waiting(limit=10)).keys)


async def test_batches_wait_to_submit_while_they_have_something_to_send(storage: Stored) -> None:
    batch = await storage.batch(PAIRS[:1])
    assert await waiting(storage) == [batch.job_id]

    await storage.start()
    assert await waiting(storage) == []

    await storage.backend.pass_time(POLICY.resend_after)
    assert await waiting(storage) == [batch.job_id]


async def test_a_batch_that_cannot_be_submitted_does_not_wait_to_submit(storage: Stored) -> None:
    poisoned, healthy = await storage.batch(PAIRS[:1]), await storage.batch(PAIRS[:1])

    await storage.backend.fail("submit", poisoned.job_id)

    assert await waiting(storage) == [healthy.job_id]


async def withdrawable(storage: Stored) -> list[AttemptId]:
    async with storage.store.transaction() as transaction:
        return list((await transaction.attempts.take_withdrawable(limit=10, lease=A_MOMENT)).keys)


async def test_requests_of_an_ended_batch_are_withdrawn_one_lease_at_a_time(storage: Stored) -> None:
    batch = await storage.batch(PAIRS[:1])
    [attempt] = await storage.send()
    assert await withdrawable(storage) == []
    await end(storage, batch)

    assert await withdrawable(storage) == [attempt.attempt_id]
    assert await withdrawable(storage) == []
    await storage.backend.pass_time(A_MOMENT)
    assert await withdrawable(storage) == [attempt.attempt_id]

    async with storage.store.transaction() as transaction:
        await transaction.attempts.mark_withdrawn([attempt.attempt_id])
    await storage.backend.pass_time(A_MOMENT)
    assert await withdrawable(storage) == []


async def test_a_call_that_was_under_way_when_it_was_withdrawn_is_billed(storage: Stored) -> None:
    batch = await storage.batch(PAIRS[:3])
    judged, called, queued = await storage.send()
    await end(storage, batch)
    async with storage.store.transaction() as transaction:
        await transaction.attempts.mark_withdrawn([judged.attempt_id, called.attempt_id, queued.attempt_id])
    assert await usage(storage, batch) == Usage(billed=0, outstanding=3)

    recorded = await storage.record(
        answer(judged, cost_usd=Decimal("0.01")),
        answer(called, error_code="PROCESSING_ERROR", cost_usd=Decimal("0.02")),
        answer(queued, error_code="PROCESSING_ERROR"),
    )

    assert (recorded.new, recorded.late) == (3, 3)
    assert await usage(storage, batch) == Usage(billed=2, outstanding=0)
    assert await storage.committed_usd() == Decimal("0.03")


async def test_request_ids_are_given_of_open_attempts_alone(storage: Stored) -> None:
    await storage.batch(PAIRS[:2])
    answered, open_one = await storage.send()
    await storage.record(answer(answered))

    async with storage.store.transaction() as transaction:
        found = await transaction.attempts.request_ids([answered.attempt_id, open_one.attempt_id])
        job_id = await transaction.attempts.job_id_of(open_one.attempt_id)

    assert found == {open_one.attempt_id: REQUEST}
    assert job_id == open_one.job_id


async def test_what_a_judge_states_beside_the_winner_is_kept_with_the_comparison(storage: Stored) -> None:
    batch = await storage.batch(PAIRS[:1])
    [attempt] = await storage.send()
    odds = LogOdds(
        value=2.5, tokens=("A", "B"), top_k=20, censored=False, constrained=True, before_reasoning=True
    )

    async with storage.store.transaction() as transaction:
        await transaction.attempts.record([answer(attempt, margin=3, log_odds=odds)])
    async with storage.store.transaction() as transaction:
        [pair] = await transaction.comparisons.asked(batch.job_id)
        page = await transaction.comparisons.page(batch, after=0, limit=10)

    assert (pair.margin, pair.confidence, pair.log_odds_a) == (3, 4.0, 2.5)
    assert (page.items[0].margin, page.items[0].log_odds_a) == (3, odds)
