"""Batches and all that belongs to them are kept, found when they are due, and ended whatever they hold."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from cj_assessment.domain.batch import Batch, BatchId, JobId
from cj_assessment.ports.worker_names import ADVANCE, PREPARE, REPORT
from cj_assessment.tests.postgres_fixtures import PREPARED, Stored, StoredInPostgres, answer, stored
from event_contracts import (
    AssessmentState,
    ComparisonState,
    ErrorCode,
    ErrorDetail,
    StopReason,
)

LEASE = timedelta(seconds=30)
LATER = timedelta(hours=1)
ERROR = ErrorDetail(
    error_code=ErrorCode.PROCESSING_ERROR,
    message="no",
    correlation_id=uuid4(),
    timestamp=datetime.now(UTC),
    service="cj_assessment_service",
    operation="test",
)


async def accepted_due(storage: Stored) -> list[JobId]:
    async with storage.store.transaction() as transaction:
        return list((await transaction.batches.take_accepted(limit=10, lease=LEASE)).keys)


async def judging_due(storage: Stored) -> list[JobId]:
    async with storage.store.transaction() as transaction:
        return list((await transaction.batches.take_judging(limit=10)).keys)


async def unreported(storage: Stored) -> list[JobId]:
    async with storage.store.transaction() as transaction:
        return list((await transaction.batches.take_unreported(limit=10)).keys)


async def end(storage: Stored, batch: Batch) -> None:
    async with storage.store.transaction() as transaction:
        await transaction.batches.end(
            batch.job_id,
            state=AssessmentState.FAILED,
            stop_reason=StopReason.FAILED,
            result=None,
            error=ERROR,
        )


async def test_a_batch_is_given_back_as_it_was_stored_but_for_its_list_of_essays(storage: Stored) -> None:
    batch = await storage.accepted(assignment_id="task-1")

    async with storage.store.transaction() as transaction:
        record = await transaction.batches.record(batch.batch_id)
        read = await transaction.batches.read(batch.job_id)
        requested = await transaction.essays.requested(batch.job_id)

    assert record is not None
    assert read.request == batch.request.model_copy(update={"essays_for_cj": ()})
    assert read.judges == batch.judges
    assert (record.user_id, record.org_id, record.course_code) == ("teacher-1", "school-1", "ENG5")
    assert (record.assignment_id, record.limits) == ("task-1", batch.limits)
    assert [(essay.item, essay.essay_id) for essay in requested] == [(n, f"e{n}") for n in range(8)]


async def test_a_batch_id_is_taken_once(storage: Stored) -> None:
    await storage.accepted(batch_id="same")
    other = replace(await storage.accepted(), batch_id=BatchId("same"), job_id=JobId(uuid4()))

    async with storage.store.transaction() as transaction:
        assert not await transaction.batches.add(other, ())


async def test_a_failing_transaction_leaves_nothing_behind(storage: Stored) -> None:
    batch = await storage.accepted()

    async def fail_half_way() -> None:
        async with storage.store.transaction() as transaction:
            await transaction.batches.cancel(batch.batch_id)
            await transaction.essays.delete_from_index(batch.job_id, 0)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await fail_half_way()

    async with storage.store.transaction() as transaction:
        record = await transaction.batches.record(batch.batch_id)
        assert record is not None
        assert record.cancelled_at is None
        assert len(await transaction.essays.of_batch(batch.job_id)) == 8


async def test_a_batch_that_cannot_be_parsed_can_be_shown_cancelled_and_ended(storage: Stored) -> None:
    batch = await storage.accepted()
    await storage.backend.make_unreadable(batch.job_id)

    async with storage.store.transaction() as transaction:
        with pytest.raises(ValueError, match="recursion"):
            await transaction.batches.read(batch.job_id)
        assert await transaction.batches.cancel(batch.batch_id)
        locked = await transaction.batches.lock(batch.job_id)
    await end(storage, batch)

    async with storage.store.transaction() as transaction:
        ended = await transaction.batches.record(batch.batch_id)
        error = await transaction.batches.error(batch.job_id)
    assert locked is not None
    assert ended is not None
    assert (ended.state, ended.stop_reason, error) == (AssessmentState.FAILED, StopReason.FAILED, ERROR)


async def test_an_accepted_batch_is_prepared_by_one_replica_at_a_time(storage: Stored) -> None:
    batch = await storage.accepted()

    assert await accepted_due(storage) == [batch.job_id]
    assert await accepted_due(storage) == []
    await storage.backend.pass_time(LEASE)
    assert await accepted_due(storage) == [batch.job_id]


async def test_a_batchs_store_returns_the_time_until_it_is_due(storage: Stored) -> None:
    batch = await storage.accepted()
    async with storage.store.transaction() as transaction:
        await transaction.batches.check_after(batch.job_id, LATER)

    async with storage.store.transaction() as transaction:
        due = await transaction.batches.take_accepted(limit=10, lease=LEASE)

    assert due.keys == ()
    assert due.rest_seconds == pytest.approx(LATER.total_seconds(), abs=60)


async def test_without_batches_there_is_no_next_due_time(storage: Stored) -> None:
    async with storage.store.transaction() as transaction:
        assert (await transaction.batches.take_accepted(limit=10, lease=LEASE)).rest_seconds is None
        assert (await transaction.batches.take_judging(limit=10)).rest_seconds is None


async def test_a_batch_that_a_worker_fails_on_holds_up_no_other(storage: Stored) -> None:
    poisoned, healthy = await storage.accepted(), await storage.accepted()
    await storage.backend.fail(PREPARE, poisoned.job_id)

    assert await accepted_due(storage) == [healthy.job_id]

    judging_poisoned, judging_healthy = await storage.batch([]), await storage.batch([])
    await storage.backend.fail(ADVANCE, judging_poisoned.job_id)

    assert await judging_due(storage) == [judging_healthy.job_id]


async def test_a_batch_is_due_when_the_rounds_that_it_awaits_are_settled(storage: Stored) -> None:
    batch = await storage.batch([(0, 1)])
    async with storage.store.transaction() as transaction:
        await transaction.batches.wait_for_round(
            batch.job_id, last_round=1, awaited_round=1, next_check_at=datetime.now(UTC) + LATER
        )
    assert await judging_due(storage) == []

    [attempt] = await storage.send()
    await storage.record(answer(attempt))

    assert await judging_due(storage) == [batch.job_id]


async def test_a_batch_is_due_when_the_time_of_its_next_check_has_come(storage: Stored) -> None:
    batch = await storage.batch([(0, 1)])
    async with storage.store.transaction() as transaction:
        await transaction.batches.wait_for_round(
            batch.job_id, last_round=1, awaited_round=1, next_check_at=datetime.now(UTC) + LATER
        )

    await storage.backend.pass_time(LATER)

    assert await judging_due(storage) == [batch.job_id]


@pytest.mark.parametrize("is_judging", [False, True])
async def test_a_cancelled_batch_is_due_at_once_in_every_state(storage: Stored, is_judging: bool) -> None:
    batch = await (storage.batch([(0, 1)]) if is_judging else storage.accepted())
    await storage.backend.fail(PREPARE, batch.job_id)
    await storage.backend.fail(ADVANCE, batch.job_id)

    async with storage.store.transaction() as transaction:
        assert await transaction.batches.cancel(batch.batch_id)

    assert await judging_due(storage) == [batch.job_id]
    assert await accepted_due(storage) == []


async def test_a_batch_that_has_ended_cannot_be_cancelled_or_locked(storage: Stored) -> None:
    batch = await storage.accepted()
    await end(storage, batch)

    async with storage.store.transaction() as transaction:
        assert not await transaction.batches.cancel(batch.batch_id)
        assert await transaction.batches.lock(batch.job_id) is None
        assert await transaction.batches.ended(batch.job_id) is not None
        assert not await transaction.batches.cancel(BatchId("unknown"))


async def test_nothing_of_an_ended_batch_is_judged(storage: Stored) -> None:
    batch = await storage.batch([(0, 1), (1, 2)])
    await storage.start(1)

    await end(storage, batch)

    assert await storage.states() == {"abandoned": 2}
    assert not await storage.start()


async def test_a_problem_keeps_its_time_until_it_is_another(storage: Stored) -> None:
    batch = await storage.batch([(0, 1), (1, 2)])
    found = []
    for code in ("SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE", "RATE_LIMIT"):
        async with storage.store.transaction() as transaction:
            await transaction.batches.report_problem([batch.job_id], code=code, message=f"{code}!")
        async with storage.store.transaction() as transaction:
            found.append(await transaction.batches.problem(batch.job_id))

    first, second, third = (problem for problem in found if problem is not None)
    assert (first.code, first.message, first.comparisons) == (
        "SERVICE_UNAVAILABLE",
        "SERVICE_UNAVAILABLE!",
        2,
    )
    assert first.since == second.since < third.since
    async with storage.store.transaction() as transaction:
        await transaction.batches.clear_problem([batch.job_id])
        assert await transaction.batches.problem(batch.job_id) is None


async def test_a_step_that_fails_is_a_problem(storage: Stored) -> None:
    batch = await storage.accepted()
    await storage.backend.fail(PREPARE, batch.job_id)

    async with storage.store.transaction() as transaction:
        problem = await transaction.batches.problem(batch.job_id)

    assert problem is not None
    assert (problem.code, problem.message) == ("PROCESSING_ERROR", "no")


async def test_judgements_that_fail_are_a_problem_until_one_succeeds(storage: Stored) -> None:
    batch = await storage.batch([(0, 1), (1, 2), (2, 3), (3, 4)])
    first, second, third, last = await storage.send()
    await storage.record(
        answer(first, error_code="LLM_CONFIGURATION_ERROR"),
        answer(second, error_code="LLM_CONFIGURATION_ERROR"),
        answer(third, error_code="TIMEOUT"),
    )
    async with storage.store.transaction() as transaction:
        failing = await transaction.batches.problem(batch.job_id)

    await storage.record(answer(last))

    assert failing is not None
    assert (failing.code, failing.message, failing.comparisons) == ("LLM_CONFIGURATION_ERROR", "no", 2)
    async with storage.store.transaction() as transaction:
        assert await transaction.batches.problem(batch.job_id) is None


async def test_consumption_is_reported_once_and_when_nothing_is_outstanding(storage: Stored) -> None:
    batch = await storage.batch([(0, 1)])
    [attempt] = await storage.send()
    assert await unreported(storage) == []
    await end(storage, batch)
    assert await unreported(storage) == []

    await storage.record(answer(attempt))
    assert await unreported(storage) == [batch.job_id]

    async with storage.store.transaction() as transaction:
        assert await transaction.batches.mark_reported(batch.job_id, billed=3) == 3
        assert await transaction.batches.mark_reported(batch.job_id, billed=4) is None
    assert await unreported(storage) == []


async def test_a_failed_batch_that_is_reopened_goes_on_from_what_is_stored(storage: Stored) -> None:
    batch = await storage.batch([(0, 1), (1, 0)])
    judged, outstanding = await storage.send()
    await storage.record(answer(judged))
    await end(storage, batch)
    await storage.record(answer(outstanding, error_code="PROCESSING_ERROR"))

    async with storage.store.transaction() as transaction:
        reported = await transaction.batches.mark_reported(batch.job_id, billed=1)
        reopened = await transaction.batches.reopen(batch.job_id)
        again = await transaction.batches.reopen(batch.job_id)
    async with storage.store.transaction() as transaction:
        record = await transaction.batches.record(batch.batch_id)
        asked = await transaction.comparisons.asked(batch.job_id)
        due = await transaction.batches.take_judging(limit=10)
        later = await transaction.batches.mark_reported(batch.job_id, billed=5)

    assert (reported, reopened, again) == (1, True, False)
    assert record is not None
    assert (record.state, record.ended_at, record.stop_reason) == (AssessmentState.JUDGING, None, None)
    assert [pair.state for pair in asked] == ["judged", "pending"]
    assert batch.job_id in due.keys
    assert later == 4


async def test_a_pair_that_a_newer_version_chose_for_a_new_reason_is_read(postgres: StoredInPostgres) -> None:
    batch = await postgres.batch([(0, 1)])
    await postgres.execute("UPDATE comparison SET chosen_by = 'a_new_reason'")

    async with postgres.store.transaction() as transaction:
        [pair] = await transaction.comparisons.asked(batch.job_id)

    assert (pair.chosen_by, pair.state) == ("a_new_reason", ComparisonState.PENDING)


async def test_a_batch_that_has_not_failed_cannot_be_reopened(storage: Stored) -> None:
    batch = await storage.batch([(0, 1)])

    async with storage.store.transaction() as transaction:
        assert not await transaction.batches.reopen(batch.job_id)
        assert not await transaction.batches.reopen(JobId(uuid4()))


async def test_a_batch_that_was_never_prepared_is_prepared_when_it_is_reopened(storage: Stored) -> None:
    batch = await storage.accepted()
    await end(storage, batch)

    async with storage.store.transaction() as transaction:
        reopened = await transaction.batches.reopen(batch.job_id)
        due = await transaction.batches.take_accepted(limit=10, lease=timedelta(seconds=30))

    assert reopened
    assert batch.job_id in due.keys


async def test_codes_that_stop_a_batch_are_those_that_the_llm_provider_says_do(storage: Stored) -> None:
    batch = await storage.batch([(0, 1), (1, 0)])
    first, second = await storage.send()

    await storage.record(
        answer(first, error_code="CONNECTION_ERROR", stops_batch=True),
        answer(second, error_code="LLM_INVALID_RESPONSE"),
    )

    async with storage.store.transaction() as transaction:
        assert await transaction.comparisons.stopping_codes(batch.job_id) == {"CONNECTION_ERROR"}


async def test_a_report_that_fails_holds_up_no_other(storage: Stored) -> None:
    poisoned, healthy = await storage.accepted(), await storage.accepted()
    await end(storage, poisoned)
    await end(storage, healthy)

    await storage.backend.fail(REPORT, poisoned.job_id)

    assert await unreported(storage) == [healthy.job_id]


async def test_the_context_of_a_batch_is_kept(storage: Stored) -> None:
    batch = await storage.batch([])

    async with storage.store.transaction() as transaction:
        assert await transaction.batches.context(batch.job_id) == PREPARED.context
        read = await transaction.batches.read(batch.job_id)

    assert (read.state, read.seed, read.judges) == (AssessmentState.JUDGING, 7, PREPARED.judges)


async def test_two_replicas_never_decide_on_the_same_batch(store_database: str) -> None:
    async with stored(store_database) as one, stored(store_database) as other:
        batch = await one.batch([(0, 1)])
        async with one.store.transaction() as first:
            assert await first.batches.lock(batch.job_id) is not None
            async with other.store.transaction() as second:
                assert await second.batches.lock(batch.job_id) is None
                # What others have to say of a batch does not wait for a decision on it.
                await second.batches.report_problem([batch.job_id], code="TIMEOUT", message="no")


async def test_two_replicas_never_start_the_same_comparison(postgres: StoredInPostgres) -> None:
    await postgres.batch([(a, b) for a in range(8) for b in range(8) if a != b])

    both = await asyncio.gather(*(postgres.start(10) for _ in range(4)))

    started = [attempt.attempt_id for attempts in both for attempt in attempts]
    assert 10 <= len(started) == len(set(started))
    assert (await postgres.states())["submitted"] == len(started)


async def test_batches_are_paged_from_the_newest_to_the_oldest(storage: Stored) -> None:
    batches = [await storage.accepted() for _ in range(4)]
    await end(storage, batches[1])

    async with storage.store.transaction() as transaction:
        first = await transaction.batches.newest(state=None, before=None, limit=3)
        behind = (first[-1].received_at, first[-1].job_id)
        second = await transaction.batches.newest(state=None, before=behind, limit=3)
        failed = await transaction.batches.newest(state=AssessmentState.FAILED, before=None, limit=3)

    assert {one.job_id for one in (*first, *second)} == {batch.job_id for batch in batches}
    assert (len(first), len(second)) == (3, 1)
    assert [one.received_at for one in first] == sorted((one.received_at for one in first), reverse=True)
    assert [one.job_id for one in failed] == [batches[1].job_id]
