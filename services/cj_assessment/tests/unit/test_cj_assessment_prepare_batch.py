"""A batch is prepared in chunks of texts, waits for texts that are out of reach, and fails with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from cj_assessment.domain.assignments import Instruction
from cj_assessment.domain.contents import Fetched
from cj_assessment.ports import ContentStore
from cj_assessment.tests.in_memory_app import RULES, UseCases
from cj_assessment.use_cases.prepare_batch import ESSAYS_PER_CHUNK
from cj_assessment.use_cases.register_anchor import RegisterAnchor
from cj_assessment.use_cases.shared.content_waiting import CONTENT_RETRY_DELAY
from event_contracts import (
    AnchorRegistration,
    AssessmentState,
    BatchStatus,
    CJAssessmentCompletedV1,
    CJAssessmentFailedV1,
    ContextOrigin,
    ProcessingError,
    ResourceConsumptionV1,
)

TEXTS: dict[str, str | bytes] = {f"e{n}": "word " * (10 + n) for n in range(4)}


@dataclass
class Watched:
    """A content store whose calls are seen, and which can be out of reach."""

    inner: ContentStore
    is_away: bool = False
    asked: list[int] = field(default_factory=list)

    async def fetch(self, storage_ids: Sequence[str], *, max_bytes: int) -> Fetched:
        self.asked.append(len(storage_ids))
        if self.is_away:
            return Fetched(bodies={}, failures=dict.fromkeys(storage_ids, "connection refused"))
        return await self.inner.fetch(storage_ids, max_bytes=max_bytes)

    async def store(self, body: bytes) -> str:
        return await self.inner.store(body)


@pytest.fixture
def service() -> UseCases:
    return UseCases()


@pytest.fixture
def content(service: UseCases) -> Watched:
    watched = Watched(service.prepare.content)
    service.prepare = replace(service.prepare, content=watched)
    return watched


async def test_a_prepared_batch_is_judged(service: UseCases) -> None:
    batch = await service.ask(TEXTS)

    await service.prepare_all()

    row = service.row(batch)
    assert row.batch.state is AssessmentState.JUDGING
    assert row.batch.seed > 0
    assert service.woken["advance"] == 1
    assert (await service.advance.take(10)).keys == [batch.job_id]


async def test_texts_are_fetched_and_stored_in_chunks(service: UseCases, content: Watched) -> None:
    many: dict[str, str | bytes] = {f"e{n}": f"text {n} " * 3 for n in range(2 * ESSAYS_PER_CHUNK + 5)}
    batch = await service.ask(many)

    await service.prepare_all()

    assert max(content.asked) == ESSAYS_PER_CHUNK
    assert service.row(batch).batch.state is AssessmentState.JUDGING
    stored = service.store.state.essays[batch.job_id]
    assert {item: essay.text for item, essay in stored.items()} == {
        n: str(text) for n, text in enumerate(many.values())
    }


async def test_the_same_texts_have_the_same_seed_in_chunks_of_any_batch(service: UseCases) -> None:
    first, second = await service.ask(TEXTS), await service.ask(TEXTS)

    await service.prepare_all()

    assert service.row(first).batch.seed == service.row(second).batch.seed


async def test_essays_that_cannot_be_judged_are_kept_with_their_problem(service: UseCases) -> None:
    too_long = "x" * (RULES.max_bytes + 1)
    batch = await service.ask({**TEXTS, "blank": "  ", "binary": b"\xff", "nul": b"a\x00b", "long": too_long})

    await service.prepare_all()

    essays = service.store.state.essays[batch.job_id].values()
    problems = {
        essay.essay_id: (essay.problem or "").split(":")[0] for essay in essays if not essay.is_usable
    }
    assert problems == {
        "blank": "EMPTY_CONTENT",
        "binary": "TEXT_EXTRACTION_FAILED",
        "nul": "TEXT_EXTRACTION_FAILED",
        "long": "CONTENT_TOO_LONG",
    }


async def test_a_batch_in_which_nothing_can_be_judged_fails_and_says_so(service: UseCases) -> None:
    batch = await service.ask({"a": " ", "b": b"\xff"})

    await service.prepare_all()

    status = await service.status(batch)
    assert (status.state, status.error is not None) == (AssessmentState.FAILED, True)
    assert len(service.store.events(CJAssessmentFailedV1)) == 1
    assert [event.quantity for event in service.store.events(ResourceConsumptionV1)] == [0]


async def test_a_batch_waits_for_texts_that_are_out_of_reach_and_says_why(
    service: UseCases, content: Watched
) -> None:
    batch = await service.ask(TEXTS)
    content.is_away = True

    await service.prepare_all()
    waiting = await service.status(batch)
    assert (await service.prepare.take(10)).keys == ()
    content.is_away = False
    service.store.clock.ahead += CONTENT_RETRY_DELAY
    await service.prepare_all()

    assert waiting.state is AssessmentState.ACCEPTED
    assert waiting.problem is not None
    assert (waiting.problem.code, "connection refused" in waiting.problem.message) == (
        "CONTENT_SERVICE_ERROR",
        True,
    )
    status = await service.status(batch)
    assert (status.state, status.problem) == (AssessmentState.JUDGING, None)


async def test_waiting_for_the_content_service_times_out(service: UseCases, content: Watched) -> None:
    batch = await service.ask(TEXTS)
    content.is_away = True
    service.row(batch).batch = replace(
        service.row(batch).batch, received_at=batch.received_at - timedelta(minutes=11)
    )

    await service.prepare_all()

    status = await service.status(batch)
    assert (status.state, status.error is not None) == (AssessmentState.FAILED, True)


async def test_a_student_prompt_with_nul_characters_fails_the_batch_with_that_reason(
    service: UseCases,
) -> None:
    prompt_id = await service.content(b"Write about\x00cars.")
    batch = await service.ask(TEXTS, assignment_id="task")
    service.store.state.instructions.append(
        (
            None,
            Instruction(
                assignment_id="task",
                instructions_text="Compare.",
                grade_scale="swedish_8_anchor",
                context_origin=ContextOrigin.RESEARCH_EXPERIMENT,
                student_prompt_storage_id=prompt_id,
            ),
        )
    )

    await service.prepare_all()

    status = await service.status(batch)
    assert status.error is not None
    assert (status.state, "student prompt holds NUL" in status.error.message) == (
        AssessmentState.FAILED,
        True,
    )
    assert service.prompts.reasons == {"VALIDATION_ERROR": 1}


async def test_anchors_follow_the_students_and_leftovers_of_an_earlier_try_are_gone(
    service: UseCases,
) -> None:
    for label, grade in (("B1", "B"), ("A1", "A")):
        await RegisterAnchor(store=service.store, content=service.prepare.content)(
            AnchorRegistration(
                assignment_id="task",
                grade=grade,
                essay_text=f"anchor {label} " * 20,
                anchor_label=label,
                grade_scale="swedish_8_anchor",
            ),
            by="admin-1",
        )
    batch = await service.ask(TEXTS, assignment_id="task")
    leftover = replace(service.store.state.essays[batch.job_id][0], item=9, essay_id="gone")
    service.store.state.essays[batch.job_id][9] = leftover

    await service.prepare_all()

    essays = service.store.state.essays[batch.job_id]
    assert [essays[item].essay_id for item in sorted(essays)] == ["e0", "e1", "e2", "e3", "A1", "B1"]
    assert service.row(batch).batch.grade_scale == "swedish_8_anchor"


async def test_a_batch_that_is_cancelled_while_it_is_prepared_is_not_judged(service: UseCases) -> None:
    batch = await service.ask(TEXTS)
    [job_id] = (await service.prepare.take(10)).keys

    await service.cancel(batch.batch_id)
    await service.prepare.handle(job_id)

    assert service.row(batch).batch.state is AssessmentState.ACCEPTED


async def test_a_preparation_that_fails_gives_its_lease_up(service: UseCases) -> None:
    batch = await service.ask(TEXTS)
    service.row(batch).is_unreadable = True
    [job_id] = (await service.prepare.take(10)).keys

    with pytest.raises(ValueError, match="recursion"):
        await service.prepare.handle(job_id)

    assert (await service.prepare.take(10)).keys == [batch.job_id]


async def test_a_batch_that_can_never_be_prepared_ends_failed_with_its_reason(service: UseCases) -> None:
    batch = await service.ask(TEXTS, hints={"callback_url": "https://school.example/results"})
    service.row(batch).is_unreadable = True

    await service.prepare.set_aside(batch.job_id, Reason())

    status = await service.status(batch)
    assert status.state is AssessmentState.FAILED
    assert status.error is not None
    assert status.error.details == {"step": "prepare_batch", "cause": "PROCESSING_ERROR", "attempts": 5}
    # Its consumption is reported by a worker of its own.
    [(failed, url), (ended, ended_url)] = service.store.state.sent
    assert isinstance(failed.data, CJAssessmentFailedV1)
    assert isinstance(ended.data, CJAssessmentCompletedV1)
    assert ended.data.status is BatchStatus.FAILED_CRITICALLY
    assert ended.data.processing_summary.failed_essay_ids == tuple(TEXTS)
    assert url == ended_url == "https://school.example/results"


class Reason:
    """Why an item was set aside."""

    error_code = ProcessingError.code
    message = "recursion limit exceeded"
    attempts = 5
