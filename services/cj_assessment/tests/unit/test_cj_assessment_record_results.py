"""Results are recorded once each; what does not answer one of our attempts is counted and changes nothing."""

from uuid import uuid4

import pytest
from cj_assessment.ports import Recorded
from cj_assessment.tests.working import UseCases, result
from event_contracts import InvalidRequest, NotFound

TEXTS: dict[str, str | bytes] = {f"e{n}": "word " * (20 + 10 * n) for n in range(8)}


@pytest.fixture
def service() -> UseCases:
    return UseCases()


async def test_results_are_recorded_and_wake_who_waits_for_them(service: UseCases) -> None:
    await service.judging(TEXTS)
    before = dict(service.woken)

    await service.answer_all()

    assert service.watcher.total == Recorded(new=8)
    assert service.woken["advance"] == before.get("advance", 0) + 1
    assert service.woken["submit"] == before.get("submit", 0) + 1


async def test_a_repeated_result_changes_nothing(service: UseCases) -> None:
    await service.judging(TEXTS)
    name, request = next(iter(service.provider.queued.items()))
    envelope = result(name, request)

    await service.record([envelope, envelope])
    await service.record([envelope])
    woken = dict(service.woken)
    await service.record([result(name, request)])

    assert service.watcher.total == Recorded(repeated=1)
    assert dict(service.woken) == woken


@pytest.mark.parametrize(
    "metadata",
    [
        {"attempt_id": None},
        {"attempt_id": "no uuid"},
        {"bos_batch_id": ""},
        {"essay_a_id": None},
        {"attempt_id": str(uuid4())},
    ],
)
async def test_a_result_that_answers_nothing_of_ours_is_counted_as_unknown(
    service: UseCases, metadata: dict[str, object]
) -> None:
    await service.judging(TEXTS)
    name, request = next(iter(service.provider.queued.items()))

    await service.record([result(name, request, metadata=metadata)])

    assert service.watcher.total == Recorded(unknown=1)
    assert {row.state for row in service.store.state.comparisons.values()} == {"submitted"}


async def test_a_result_with_swapped_essays_is_counted_and_the_genuine_one_beside_it_counts(
    service: UseCases,
) -> None:
    await service.judging(TEXTS)
    name, request = next(iter(service.provider.queued.items()))
    swapped = result(
        name, request, metadata={"essay_a_id": request.essay_b_id, "essay_b_id": request.essay_a_id}
    )

    await service.record([swapped, result(name, request)])

    assert service.watcher.total == Recorded(new=1, mismatched=1)


async def test_late_results_wake_who_reports_the_consumption(service: UseCases) -> None:
    batch = await service.judging(TEXTS)
    await service.cancel(batch.batch_id)
    await service.advance_all()

    await service.answer_all()

    assert service.watcher.total == Recorded(new=8, late=8)
    assert service.woken["report"] == 1


async def test_a_batch_is_read_while_it_is_judged_and_has_no_result_yet(service: UseCases) -> None:
    batch = await service.judging(TEXTS)

    status = await service.status(batch)
    page = await service.read.comparisons(batch.batch_id, cursor=None, limit=5)

    assert (status.progress.essays, status.progress.comparisons_waiting) == (8, 8)
    assert (status.problem, status.error) == (None, None)
    assert (len(page.items), page.total, page.next_cursor is not None) == (5, 8, True)


async def test_a_batch_that_cannot_be_read_shows_its_state_and_what_is_wrong(service: UseCases) -> None:
    batch = await service.judging(TEXTS)
    service.row(batch).is_unreadable = True

    status = await service.status(batch)

    assert status.state == "judging"
    assert status.course_code == "ENG5"


async def test_wrong_questions_are_refused(service: UseCases) -> None:
    batch = await service.judging(TEXTS)

    with pytest.raises(InvalidRequest, match="cursor"):
        await service.read.comparisons(batch.batch_id, cursor="x", limit=5)
    with pytest.raises(InvalidRequest, match="limit"):
        await service.read.comparisons(batch.batch_id, cursor=None, limit=0)
    with pytest.raises(NotFound):
        await service.read.status(type(batch.batch_id)("unknown"))
