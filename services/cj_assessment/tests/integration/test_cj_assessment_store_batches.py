"""Batches and all that belongs to them are kept, found when they are due, and ended whatever they hold."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from cj_assessment.adapters.postgres.batches_sql import ADVANCE, PREPARE, REPORT
from cj_assessment.domain.announcing import failed_event
from cj_assessment.domain.batch import Anchor, Batch, BatchId, JobId
from cj_assessment.domain.deciding import Measured
from cj_assessment.domain.texts import Signal
from cj_assessment.tests.building import essays
from cj_assessment.tests.storing import PREPARED, REQUEST, Stored, StoredInPostgres, answer, stored
from event_contracts import (
    AssessmentState,
    ErrorCode,
    ErrorDetail,
    GateStatus,
    GateView,
    InvalidCallback,
    ProcessingError,
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
            await transaction.essays.remove_from(batch.job_id, 0)
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


async def test_the_time_until_a_batch_is_due_is_told(storage: Stored) -> None:
    batch = await storage.accepted()
    async with storage.store.transaction() as transaction:
        await transaction.batches.check_after(batch.job_id, LATER)

    async with storage.store.transaction() as transaction:
        due = await transaction.batches.take_accepted(limit=10, lease=LEASE)

    assert due.keys == ()
    assert due.rest_seconds == pytest.approx(LATER.total_seconds(), abs=60)


async def test_nothing_due_ever_is_told_as_well(storage: Stored) -> None:
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
            batch.job_id, last_round=1, due_round=1, check_at=datetime.now(UTC) + LATER
        )
    assert await judging_due(storage) == []

    [attempt] = await storage.send()
    await storage.record(answer(attempt))

    assert await judging_due(storage) == [batch.job_id]


async def test_a_batch_is_due_when_the_time_of_its_next_check_has_come(storage: Stored) -> None:
    batch = await storage.batch([(0, 1)])
    async with storage.store.transaction() as transaction:
        await transaction.batches.wait_for_round(
            batch.job_id, last_round=1, due_round=1, check_at=datetime.now(UTC) + LATER
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
        assert await transaction.batches.mark_reported(batch.job_id)
        assert not await transaction.batches.mark_reported(batch.job_id)
    assert await unreported(storage) == []


async def test_a_report_that_fails_holds_up_no_other(storage: Stored) -> None:
    poisoned, healthy = await storage.accepted(), await storage.accepted()
    await end(storage, poisoned)
    await end(storage, healthy)

    await storage.backend.fail(REPORT, poisoned.job_id)

    assert await unreported(storage) == [healthy.job_id]


async def test_what_preparation_finds_takes_the_place_of_what_was_known(storage: Stored) -> None:
    batch = await storage.accepted(n_essays=2)
    found = essays(4, anchors={2: "B", 3: "A"})
    blank = replace(found[1], text=None, problem="EMPTY_CONTENT: no text", signals=(Signal.ROLE_MARKER,))

    async with storage.store.transaction() as transaction:
        await transaction.essays.put(batch.job_id, [found[0], blank, *found[2:]])
        await transaction.essays.remove_from(batch.job_id, 3)
        kept = await transaction.essays.of_batch(batch.job_id)
        counts = await transaction.essays.counts(batch.job_id)
        texts = await transaction.essays.texts([(batch.job_id, item) for item in range(4)])

    assert [essay.item for essay in kept] == [0, 1, 2]
    assert all(essay.text is None for essay in kept)
    assert (kept[1].problem, kept[1].signals) == ("EMPTY_CONTENT: no text", (Signal.ROLE_MARKER,))
    assert (counts.students, counts.anchors, counts.usable) == (2, 1, 2)
    assert texts == {
        (batch.job_id, 0): "This is text number 0.",
        (batch.job_id, 2): "This is text number 2.",
    }


async def test_the_context_of_a_batch_is_kept(storage: Stored) -> None:
    batch = await storage.batch([])

    async with storage.store.transaction() as transaction:
        assert await transaction.batches.context(batch.job_id) == PREPARED.context
        read = await transaction.batches.read(batch.job_id)

    assert (read.state, read.seed, read.judges) == (AssessmentState.JUDGING, 7, PREPARED.judges)


async def test_the_newest_fit_is_found(storage: Stored) -> None:
    batch = await storage.batch([])
    measured = Measured(
        comparisons=3,
        theta=(0.5, -0.5),
        standard_error=(0.1, 0.1),
        tau=0.8,
        eb_reliability=0.7,
        ssr=None,
        ssr_prime=None,
        position_bias={},
        gates={"reliability": GateView(status=GateStatus.FAILED, value=0.7, limit=0.9)},
    )

    async with storage.store.transaction() as transaction:
        assert await transaction.scores.latest(batch.job_id) is None
        await transaction.scores.add(batch.job_id, measured, decision="judge_more")
        await transaction.scores.add(batch.job_id, replace(measured, tau=0.9), decision="judge_more")
        latest = await transaction.scores.latest(batch.job_id)

    assert latest is not None
    assert (latest.number, latest.tau, latest.gates) == (2, 0.9, measured.gates)


async def test_texts_are_kept_once_and_found_by_any_number_of_ids(storage: Stored) -> None:
    async with storage.store.transaction() as transaction:
        await transaction.contents.put(storage_id="known", body=b"text")
        await transaction.contents.put(storage_id="known", body=b"text")
        found = await transaction.contents.read(["known", *(f"unknown-{n}" for n in range(40_000))])
        sizes = await transaction.contents.sizes(["known", *(f"unknown-{n}" for n in range(40_000))])

    assert found == {"known": b"text"}
    assert sizes == {"known": 4}


async def test_an_anchor_is_replaced_by_one_of_its_label_and_scale(storage: Stored) -> None:
    anchor = Anchor(label="B1", grade="B", grade_scale="swedish_8_anchor", text_storage_id="one")

    async with storage.store.transaction() as transaction:
        first = await transaction.anchors.put(anchor, assignment_id="task")
        again = await transaction.anchors.put(replace(anchor, text_storage_id="two"), assignment_id="task")
        await transaction.anchors.put(replace(anchor, label="A1", grade="A"), assignment_id="task")
        kept = await transaction.anchors.of_assignment("task")

    assert first == again
    assert [(one.label, one.text_storage_id) for one in kept] == [("A1", "one"), ("B1", "two")]
    async with storage.store.transaction() as transaction:
        assert await transaction.anchors.instruction(assignment_id="task", course_id="ENG5") is None


async def test_an_event_is_handled_once_for_each_consumer(storage: Stored) -> None:
    known, new = uuid4(), uuid4()
    async with storage.store.transaction() as transaction:
        assert await transaction.events.claim(consumer="one", event_ids=[known]) == {known}
        assert await transaction.events.claim(consumer="one", event_ids=[known, new]) == {new}
        assert await transaction.events.claim(consumer="other", event_ids=[known]) == {known}


async def test_an_event_for_a_url_that_nothing_can_be_sent_to_is_refused(storage: Stored) -> None:
    batch = await storage.accepted()
    failed = failed_event(batch, ProcessingError("no"), operation="test")

    async with storage.store.transaction() as transaction:
        with pytest.raises(InvalidCallback):
            transaction.events.announce([failed], callback_url="https://xn--\u2028.example/")
        transaction.events.announce([failed], callback_url="https://school.example/results")


async def test_comparisons_are_paged_in_the_order_in_which_they_were_planned(storage: Stored) -> None:
    batch = await storage.batch([(0, 1), (1, 2), (2, 3)])
    async with storage.store.transaction() as transaction:
        first = await transaction.comparisons.page(batch, after=0, limit=2)
        last = await transaction.comparisons.page(batch, after=int(first.next_cursor or 0), limit=2)

    shown = [(view.essay_a_id, view.essay_b_id) for page in (first, last) for view in page.items]
    assert shown == [("e0", "e1"), ("e1", "e2"), ("e2", "e3")]
    assert (first.total, last.next_cursor) == (3, None)


async def test_progress_counts_comparisons_by_state(storage: Stored) -> None:
    batch = await storage.batch([(0, 1), (1, 2), (2, 3)])
    judged, failed, _ = await storage.send(request_id=REQUEST)
    await storage.record(answer(judged), answer(failed, error_code="TIMEOUT"))

    async with storage.store.transaction() as transaction:
        progress = await transaction.comparisons.progress(batch.job_id)
        nothing = await transaction.comparisons.progress(JobId(uuid4()))

    assert (progress.judged, progress.failed, progress.submitted, progress.pending) == (1, 1, 1, 0)
    assert progress.last_judged_at is not None
    assert nothing.judged == 0


async def test_two_replicas_never_decide_on_the_same_batch(migrated: str) -> None:
    async with stored(migrated) as one, stored(migrated) as other:
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
