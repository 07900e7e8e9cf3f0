"""A result that its topic does not hold leaves in short, and is whole in the content store and over HTTP."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from cj_assessment.domain.batch import BatchRecord
from cj_assessment.domain.large_results import LEFT_OUT, max_reduced_bytes, reduced
from cj_assessment.ports import ContentRefused
from cj_assessment.tests.in_memory_app import UseCases
from cj_assessment.use_cases import finish_batch
from cj_assessment.use_cases.finish_batch import ResultNotKept, ResultTooLarge
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    CJAssessmentCompletedV1,
    CJAssessmentFailedV1,
    ConfidenceLabel,
    ContentServiceError,
    ErrorCode,
    EssayResultV1,
    EventEnvelope,
    ResultNotes,
    parse_envelope,
)

TEXTS: dict[str, str | bytes] = {f"e{n}": "word " * (20 + 10 * n) for n in range(8)}
FEW = {"max_comparisons": 8}
WHOLE_BYTES = 5_000
"""Less than the whole result of these texts has, and more than the reduced one."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> UseCases:
    monkeypatch.setattr(finish_batch, "CONTENT_PAUSE_SECONDS", 0)
    # The estimate at the door is made for thousands of essays: it would refuse what these tests are about.
    monkeypatch.setattr(
        "cj_assessment.use_cases.prepare_batch.max_reduced_bytes", lambda _ids, anchors: 0 * anchors
    )
    service = UseCases()
    service.limits.max_bytes = WHOLE_BYTES
    return service


async def until_problem(service: UseCases, batch: BatchRecord) -> None:
    """Work on a batch until something keeps it waiting."""
    while service.row(batch).problem is None:
        await service.prepare_all()
        await service.advance_all()
        await service.submit_all()
        await service.answer_all()


async def test_the_event_is_reduced_and_says_where_the_whole_is(service: UseCases) -> None:
    batch = await service.ask(TEXTS, hints=FEW)

    status = await service.work(batch)

    assert status.state is AssessmentState.COMPLETED
    [event] = service.store.events(AssessmentResultV1)
    [(ref, body)] = service.texts.bodies.items()
    whole = AssessmentResultV1.model_validate_json(body)
    assert event.result_ref == ref
    assert (await service.read.results(batch.batch_id)).result == whole
    assert whole.result_ref is None
    assert [(e.essay_id, e.rank, e.letter_grade, e.grade) for e in event.essay_results] == [
        (e.essay_id, e.rank, e.letter_grade, e.grade) for e in whole.essay_results
    ]
    assert whole.assessment_metadata.grade_projections.bt_stats.keys() == set(TEXTS)
    assert event.assessment_metadata.grade_projections.bt_stats == {}
    assert event.assessment_metadata.grade_projections.grade_probabilities == {}
    told = event.assessment_metadata.model_dump()
    assert told["left_out"] == list(LEFT_OUT)
    assert told["comparison_count"] == whole.assessment_metadata.comparison_count
    assert "look_at" not in told
    assert set(whole.assessment_metadata.model_extra or {}) == set(ResultNotes.model_fields) - {
        "not_computed"
    }
    assert event.assessment_metadata.notes().failed_comparisons.by_essay == {}
    assert service.row(batch).result_ref == ref


async def test_a_result_that_fits_leaves_whole_and_nothing_is_kept_elsewhere(service: UseCases) -> None:
    service.limits.max_bytes = 1_000_000
    batch = await service.ask(TEXTS, hints=FEW)

    await service.work(batch)

    [event] = service.store.events(AssessmentResultV1)
    assert event.result_ref is None
    assert event == (await service.read.results(batch.batch_id)).result
    assert service.texts.bodies == {}


async def test_a_batch_is_not_completed_while_the_whole_result_cannot_be_kept(service: UseCases) -> None:
    batch = await service.ask(TEXTS, hints=FEW)
    service.texts.error = ContentServiceError("the content service answered 503")

    await until_problem(service, batch)
    waiting = await service.status(batch)

    assert waiting.problem is not None
    assert waiting.problem.code == ErrorCode.CONTENT_SERVICE_ERROR
    assert service.store.events(CJAssessmentCompletedV1) == []

    service.texts.error = None
    status = await service.work(batch)

    assert (status.state, status.problem) == (AssessmentState.COMPLETED, None)
    assert len(service.store.events(AssessmentResultV1)) == 1


async def test_a_result_is_set_aside_after_the_content_timeout(
    service: UseCases,
) -> None:
    batch = await service.ask(TEXTS, hints=FEW)
    service.texts.error = ContentServiceError("the content service answered 503")
    await until_problem(service, batch)

    row = service.row(batch)
    assert row.problem is not None
    row.problem = replace(row.problem, since=row.problem.since - timedelta(minutes=11))

    with pytest.raises(ResultNotKept, match="503"):
        await service.advance.handle(batch.job_id)
    assert (await service.status(batch)).state is AssessmentState.JUDGING


async def test_a_result_that_the_content_service_refuses_is_stored_locally(service: UseCases) -> None:
    batch = await service.ask(TEXTS, hints=FEW)
    service.texts.error = ContentRefused("the content service answered 413")

    await service.work(batch)

    [event] = service.store.events(AssessmentResultV1)
    whole = service.store.state.contents[event.result_ref or ""]
    assert (
        AssessmentResultV1.model_validate_json(whole) == (await service.read.results(batch.batch_id)).result
    )


async def test_a_result_that_not_even_fits_in_short_ends_nothing(service: UseCases) -> None:
    batch = await service.ask(TEXTS, hints=FEW)
    service.limits.max_bytes = 1_500

    with pytest.raises(ResultTooLarge, match=r"max\.message\.bytes"):
        await service.work(batch)

    assert (await service.status(batch)).state is AssessmentState.JUDGING
    assert service.store.events(AssessmentResultV1) == []


async def test_a_batch_whose_result_could_not_leave_is_refused_before_anything_is_judged() -> None:
    service = UseCases()
    service.limits.max_bytes = max_reduced_bytes(list(TEXTS), anchors=0) - 1
    batch = await service.ask(TEXTS, hints=FEW)

    await service.prepare_all()

    status = await service.status(batch)
    assert status.state is AssessmentState.FAILED
    assert status.error is not None
    assert "shorter essay ids or smaller batches" in status.error.message
    assert service.provider.calls == []
    assert len(service.store.events(CJAssessmentFailedV1)) == 1


def _result(essay_ids: Sequence[str], like: AssessmentResultV1) -> AssessmentResultV1:
    chance = random.Random(4)
    return like.model_copy(
        update={
            "essay_results": tuple(
                EssayResultV1(
                    essay_id=essay_id,
                    normalized_score=chance.random(),
                    letter_grade="C+",
                    grade="C+",
                    confidence_score=chance.random(),
                    confidence_label=ConfidenceLabel.HIGH,
                    bt_score=-chance.uniform(10, 99),
                    rank=9_000 + place,
                    is_anchor=True,
                )
                for place, essay_id in enumerate(essay_ids)
            )
        }
    )


async def test_the_size_estimate_of_a_result_is_never_too_small(service: UseCases) -> None:
    await service.work(await service.ask(TEXTS, hints=FEW))
    [like] = service.store.events(AssessmentResultV1)
    for essay_ids in (["a"], [f"{n:036d}" for n in range(1_000)], [f'"{n}"' + "å" * 200 for n in range(100)]):
        short = reduced(_result(essay_ids, like), result_ref="r" * 64)

        size = len(EventEnvelope.wrap(short, source_service="s", correlation_id=uuid4()).to_json())

        assert size <= max_reduced_bytes(essay_ids, anchors=len(essay_ids))


def test_five_thousand_essays_with_uuids_and_a_hundred_anchors_fit_into_a_default_topic() -> None:
    assert max_reduced_bytes([f"{n:036d}" for n in range(5_100)], anchors=100) <= 1_048_588 - 4_096


async def test_a_reduced_event_is_read_as_it_was_written(service: UseCases) -> None:
    await service.work(await service.ask(TEXTS, hints=FEW))
    [event] = service.store.events(AssessmentResultV1)
    envelope = EventEnvelope.wrap(event, source_service="s", correlation_id=uuid4())

    value = envelope.to_json()

    assert parse_envelope(value, AssessmentResultV1).data == event
    [first, *_] = json.loads(value)["data"]["essay_results"]
    assert set(first) == {
        "essay_id",
        "normalized_score",
        "letter_grade",
        "confidence_score",
        "confidence_label",
        "bt_score",
        "rank",
    }


async def test_a_failed_batch_whose_ids_cannot_be_listed_still_ends_for_everybody() -> None:
    service = UseCases()
    texts: dict[str, str | bytes] = {f"{n:04d}" + "x" * 250: "word " * 30 for n in range(4_000)}
    batch = await service.ask(texts)

    await service.cancel(batch.batch_id)
    await service.advance_all()

    [ended] = service.store.events(CJAssessmentCompletedV1)
    assert ended.processing_summary.failed == 4_000
    assert ended.processing_summary.failed_essay_ids == ()
