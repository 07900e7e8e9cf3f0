"""Essays, texts, anchors, fits, pages of comparisons and events are kept and found."""

from dataclasses import replace
from uuid import uuid4

import pytest
from cj_assessment.domain.announcing import failed_event
from cj_assessment.domain.assignments import Anchor
from cj_assessment.domain.batch import JobId
from cj_assessment.domain.deciding import Measured
from cj_assessment.domain.signals import Signal
from cj_assessment.tests.building import NOW, essays
from cj_assessment.tests.postgres_fixtures import REQUEST, Stored, answer
from event_contracts import (
    GateStatus,
    GateView,
    InvalidCallback,
    ProcessingError,
)


async def test_what_preparation_finds_takes_the_place_of_what_was_known(storage: Stored) -> None:
    batch = await storage.accepted(n_essays=2)
    found = essays(4, anchors={2: "B", 3: "A"})
    blank = replace(found[1], text=None, problem="EMPTY_CONTENT: no text", signals=(Signal.ROLE_MARKER,))

    async with storage.store.transaction() as transaction:
        await transaction.essays.put(batch.job_id, [found[0], blank, *found[2:]])
        await transaction.essays.delete_from_index(batch.job_id, 3)
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
        kept = await transaction.anchors.for_assignment("task")

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
    failed = failed_event(batch, ProcessingError("no"), operation="test", now=NOW)

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
