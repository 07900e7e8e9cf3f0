"""A batch is advanced to its end: ranked, failed or cancelled, and its result leaves before it is completed."""

from dataclasses import replace
from decimal import Decimal

import cj_measurement as measurement
import pytest
from cj_assessment.tests.in_memory_app import UseCases
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    CJAssessmentCompletedV1,
    CJAssessmentFailedV1,
    Conflict,
    ErrorCode,
    NotFound,
    ProcessingError,
    ResourceConsumptionV1,
    StopReason,
)
from structlog.testing import capture_logs

TEXTS: dict[str, str | bytes] = {f"e{n}": "word " * (20 + 10 * n) for n in range(8)}


class Reason:
    """Why an item was set aside."""

    error_code = ErrorCode.CJ_SCORE_CONVERGENCE_FAILED
    message = "the fit does not settle"
    attempts = 5


@pytest.fixture
def service() -> UseCases:
    return UseCases()


async def test_a_batch_is_ranked_and_told_with_one_event_of_each_kind(service: UseCases) -> None:
    batch = await service.ask(TEXTS)

    status = await service.work(batch)

    assert (status.state, status.stop_reason) == (AssessmentState.COMPLETED, StopReason.TARGET_REACHED)
    [result] = service.store.events(AssessmentResultV1)
    ranked = [essay.essay_id for essay in result.essay_results]
    assert (ranked[0], ranked[-1]) == ("e7", "e0")
    assert len(service.store.events(CJAssessmentCompletedV1)) == 1
    [consumed] = service.store.events(ResourceConsumptionV1)
    assert (consumed.quantity, consumed.user_id) == (status.progress.comparisons_judged, "teacher-1")


async def test_every_decision_is_kept_with_the_fit_that_it_was_taken_on(service: UseCases) -> None:
    status = await service.work(await service.ask(TEXTS))

    *earlier, (last, fit) = service.store.state.decisions
    fitted = [earlier_fit.comparisons for _, earlier_fit in earlier]
    assert {decision for decision, _ in earlier} == {"judge_more"}
    assert fitted == sorted(set(fitted))
    assert last == StopReason.TARGET_REACHED
    assert fit.comparisons == status.progress.comparisons_judged > fitted[-1]
    assert fit.eb_reliability == status.reliability.eb


async def test_what_could_not_be_computed_is_logged_with_its_reason(
    service: UseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object, **_more: object) -> None:
        raise measurement.NotConverged("the numbers do not allow it")

    monkeypatch.setattr(measurement, "forecast", fails)
    monkeypatch.setattr(measurement, "split_half", fails)
    with capture_logs() as logged:
        await service.work(await service.ask(TEXTS))

    reasons = {(entry["event"], entry["reason"]) for entry in logged if entry["log_level"] == "warning"}
    assert {event for event, _ in reasons} == {"batch.forecast_failed", "result.statistic_not_computed"}
    assert all("the numbers do not allow it" in reason for _, reason in reasons)


async def test_a_round_is_planned_once_however_often_a_batch_is_looked_at(service: UseCases) -> None:
    batch = await service.ask(TEXTS)
    await service.prepare_all()

    for _ in range(3):
        await service.advance.handle(batch.job_id)

    rounds = {row.round for row in service.store.state.comparisons_of(batch.job_id)}
    assert rounds == {1, 2}
    assert service.woken["submit"] >= 3


async def test_an_accepted_batch_can_be_cancelled(service: UseCases) -> None:
    batch = await service.ask(TEXTS)

    await service.cancel(batch.batch_id)
    await service.advance_all()

    status = await service.status(batch)
    assert (status.state, status.stop_reason) == (AssessmentState.CANCELLED, StopReason.CANCELLED)
    assert len(service.store.events(CJAssessmentFailedV1)) == 1


async def test_a_batch_that_cannot_be_read_can_be_cancelled_and_shown(service: UseCases) -> None:
    batch = await service.judging(TEXTS)
    service.row(batch).is_unreadable = True
    with pytest.raises(ValueError, match="recursion"):
        await service.advance.handle(batch.job_id)

    await service.cancel(batch.batch_id)
    await service.advance_all()

    assert (await service.status(batch)).state is AssessmentState.CANCELLED
    assert service.woken["withdraw"] == 1


async def test_cancelling_twice_is_the_same_as_once_and_an_ended_batch_is_a_conflict(
    service: UseCases,
) -> None:
    batch = await service.ask(TEXTS)
    first, second = await service.cancel(batch.batch_id), await service.cancel(batch.batch_id)
    ended = await service.ask({"a": "one", "b": " "}, batch_id="ended")
    await service.prepare_all()
    await service.advance_all()

    assert first.cancelled_at == second.cancelled_at
    with pytest.raises(Conflict, match="already ended"):
        await service.cancel(ended.batch_id)
    with pytest.raises(NotFound):
        await service.cancel(replace(ended, batch_id="unknown").batch_id)  # type: ignore[arg-type]  # any id


async def test_a_batch_that_nothing_can_be_decided_on_ends_failed_with_its_reason(service: UseCases) -> None:
    batch = await service.judging(TEXTS)

    await service.advance.set_aside(batch.job_id, Reason())
    await service.advance.set_aside(batch.job_id, Reason())

    status = await service.status(batch)
    assert status.state is AssessmentState.FAILED
    assert status.error is not None
    assert status.error.details["cause"] == "CJ_SCORE_CONVERGENCE_FAILED"
    assert len(service.store.events(CJAssessmentFailedV1)) == 1
    assert service.woken["withdraw"] == 2


async def test_a_batch_ends_even_where_its_requester_cannot_be_called_back(service: UseCases) -> None:
    batch = await service.ask(TEXTS)
    service.row(batch).batch = replace(service.row(batch).batch, callback_url="https://xn--\u2028.example/")

    await service.cancel(batch.batch_id)
    await service.advance_all()

    assert (await service.status(batch)).state is AssessmentState.CANCELLED
    assert [url for _, url in service.store.state.sent] == [None, None, None]


async def test_judges_that_always_fail_fail_the_batch_with_what_they_said(service: UseCases) -> None:
    batch = await service.judging(TEXTS)

    await service.answer_all(error_code=ErrorCode.INVALID_API_KEY, message="401 from the vendor")
    waiting = await service.status(batch)
    await service.advance_all()

    assert waiting.problem is not None
    assert (waiting.problem.code, waiting.problem.comparisons) == ("INVALID_API_KEY", 8)
    assert "an operator must set a valid key" in waiting.problem.message
    assert waiting.problem.message.endswith("401 from the vendor")
    assert (await service.status(batch)).state is AssessmentState.FAILED


async def test_consumption_of_a_cancelled_batch_is_reported_once_its_calls_have_ended(
    service: UseCases,
) -> None:
    batch = await service.judging(TEXTS)
    await service.cancel(batch.batch_id)
    await service.advance_all()
    await service.withdraw.handle((await service.withdraw.take(50)).keys)
    assert service.store.events(ResourceConsumptionV1) == []
    assert (await service.report.take(10)).keys == []

    await service.answer_all(error_code=ErrorCode.PROCESSING_ERROR, cost_usd=Decimal("0.01"))
    asked = len(service.store.state.attempts)
    await service.report.handle((await service.report.take(10)).keys)
    await service.report.handle([batch.job_id])

    [consumed] = service.store.events(ResourceConsumptionV1)
    assert consumed.quantity == asked > 0
    assert (await service.status(batch)).cost.cost_usd == Decimal("0.01") * asked
    assert service.woken["report"] == 1


async def test_a_report_that_cannot_be_made_is_left_to_the_operator(service: UseCases) -> None:
    batch = await service.ask(TEXTS)

    await service.report.set_aside(batch.job_id, Reason())

    assert service.store.events(ResourceConsumptionV1) == []
    assert ProcessingError.code == ErrorCode.PROCESSING_ERROR
