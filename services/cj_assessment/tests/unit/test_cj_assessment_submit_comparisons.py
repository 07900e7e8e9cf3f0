"""Comparisons are submitted in bounded calls; a call that is refused is narrowed; nothing waits for its neighbour."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from sys import getsizeof

import pytest
from cj_assessment.domain.batch import JobId
from cj_assessment.ports import JudgeRequest
from cj_assessment.tests.in_memory_app import POLICY, UseCases
from cj_assessment.use_cases import submit_comparisons
from cj_assessment.use_cases.shared.judging_material import JudgingMaterials, TextCache
from event_contracts import AssessmentState, ExternalServiceError

TEXTS: dict[str, str | bytes] = {f"e{n}": "word " * (20 + 10 * n) for n in range(8)}


@pytest.fixture
def service() -> UseCases:
    return UseCases()


async def ready(service: UseCases, texts: dict[str, str | bytes] | None = None, **wishes: object) -> JobId:
    """A batch whose first round waits to be sent."""
    batch = await service.ask(texts or TEXTS, **wishes)
    await service.prepare_all()
    await service.advance_all()
    return batch.job_id


def states(service: UseCases, job_id: JobId) -> set[str]:
    return {row.state for row in service.store.state.comparisons_of(job_id)}


async def test_what_is_sent_names_the_pair_and_holds_each_text_once(service: UseCases) -> None:
    job_id = await ready(service)

    await service.submit.handle([job_id])

    request = next(iter(service.provider.queued.values()))
    shown = "".join(block.content for block in request.blocks)
    names = (request.essay_a_id, request.essay_b_id)
    assert [shown.count(f"\n{TEXTS[name]!s}\n</essay_") for name in names] == [1, 1]
    assert states(service, job_id) == {"submitted"}
    assert service.woken["submit"] > 0


async def test_nothing_is_sent_twice(service: UseCases) -> None:
    job_id = await ready(service)

    await service.submit.handle([job_id])
    sent = sum(service.provider.calls)
    await service.submit.handle([job_id])

    assert sum(service.provider.calls) == sent == 8


async def test_calls_are_cut_by_bytes(service: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit_comparisons, "MAX_TEXT_BYTES_PER_CALL", 8_000)
    job_id = await ready(service)

    await service.submit.handle([job_id])

    assert len(service.provider.calls) > 1
    assert sum(service.provider.calls) == 8
    assert states(service, job_id) == {"submitted"}


async def test_a_pair_larger_than_a_call_is_sent_alone(
    service: UseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit_comparisons, "MAX_TEXT_BYTES_PER_CALL", 1)
    job_id = await ready(service)

    await service.submit.handle([job_id])

    assert service.provider.calls == [1] * 8


async def test_a_call_that_is_too_large_is_narrowed(service: UseCases) -> None:
    service.provider.largest_call = 3
    job_id = await ready(service)

    await service.submit.handle([job_id])

    assert len(service.provider.queued) == 8
    assert states(service, job_id) == {"submitted"}


async def test_the_request_at_fault_fails_alone_with_the_reason(service: UseCases) -> None:
    def names_the_first(request: JudgeRequest) -> bool:
        return "e0" in (request.essay_a_id, request.essay_b_id)

    service.provider.refuses = names_the_first
    poisoned, healthy = await ready(service), await ready(service, {"x": "one text", "y": "another text"})

    await service.submit.handle([poisoned, healthy])

    rows = service.store.state.comparisons_of(poisoned)
    failed = {row.error_code for row in rows if row.state == "failed"}
    assert failed == {"LLM_CONTENT_TOO_LONG"}
    assert {row.state for row in rows if 0 not in (row.planned.slot_a, row.planned.slot_b)} == {"submitted"}
    assert states(service, healthy) == {"submitted"}
    assert service.woken["advance"] > 0


async def test_a_batch_that_cannot_be_read_holds_no_attempts_of_others(service: UseCases) -> None:
    poisoned, healthy = await ready(service), await ready(service)
    service.store.state.batches[poisoned].is_unreadable = True

    with pytest.raises(ValueError, match="recursion"):
        await service.submit.handle([poisoned, healthy])
    await service.submit.handle([healthy])

    assert states(service, poisoned) == {"pending"}
    assert states(service, healthy) == {"submitted"}


async def test_a_text_that_is_gone_releases_what_was_held_for_the_others(service: UseCases) -> None:
    poisoned, healthy = await ready(service), await ready(service)
    essays = service.store.state.essays[poisoned]
    essays[0] = replace(essays[0], text=None)

    with pytest.raises(KeyError):
        await service.submit.handle([poisoned, healthy])
    await service.submit.handle([healthy])

    assert len(service.provider.queued) == 8
    assert {request.batch_id for request in service.provider.queued.values()} == {
        service.store.state.batches[healthy].batch.batch_id
    }


async def test_while_the_llm_provider_is_away_the_status_says_so_and_nothing_is_lost(
    service: UseCases,
) -> None:
    service.provider.is_away = True
    job_id = await ready(service)

    with pytest.raises(ExternalServiceError):
        await service.submit.handle([job_id])
    batch = service.store.state.batches[job_id].batch
    waiting = await service.status(batch)
    service.provider.is_away = False
    await service.submit.handle([job_id])

    assert waiting.problem is not None
    assert (waiting.problem.code, waiting.problem.comparisons) == ("EXTERNAL_SERVICE_ERROR", 8)
    assert "does not answer" in waiting.problem.message
    assert len(service.provider.queued) == 8
    assert (await service.status(batch)).problem is None


async def test_a_full_queue_is_asked_again_after_a_while_and_not_at_once(service: UseCases) -> None:
    service.provider.is_full = True
    job_id = await ready(service)

    await service.submit.handle([job_id])
    problem = (await service.status(service.store.state.batches[job_id].batch)).problem
    assert (await service.submit.take(10)).keys == []
    service.provider.is_full = False
    service.store.clock.ahead += POLICY.resend_after
    await service.submit_all()

    assert problem is not None
    assert problem.code == "LLM_QUEUE_FULL"
    assert len(service.provider.queued) == 8


async def test_an_attempt_of_a_sender_that_died_is_sent_by_another_under_its_own_id(
    service: UseCases,
) -> None:
    job_id = await ready(service)
    async with service.store.transaction() as transaction:
        started = await transaction.attempts.start([job_id], limit=500, policy=POLICY)
    service.store.clock.ahead += POLICY.resend_after

    await service.submit_all()

    sent = {request.attempt_id for request in service.provider.queued.values()}
    assert sent == {attempt.attempt_id for attempt in started}


async def test_the_most_a_call_may_cost_goes_with_a_batch_that_has_a_cap() -> None:
    service = UseCases(price=Decimal(1))
    with_max_cost = await ready(service, hints={"max_cost_usd": 5})
    free = await ready(service)

    await service.submit.handle([with_max_cost, free])

    by_batch = {request.batch_id: request.max_cost_usd for request in service.provider.queued.values()}
    batches = service.store.state.batches
    assert by_batch[batches[free].batch.batch_id] is None
    assert (by_batch[batches[with_max_cost].batch.batch_id] or 0) > 0


async def test_a_batch_that_cannot_be_submitted_ends_failed(service: UseCases) -> None:
    job_id = await ready(service)

    await service.submit.set_aside(job_id, Reason())

    assert service.store.state.batches[job_id].batch.state is AssessmentState.FAILED


class Reason:
    """Why an item was set aside."""

    error_code = "PROCESSING_ERROR"
    message = "no"
    attempts = 5


async def test_texts_in_memory_are_bounded_and_each_is_there_once(service: UseCases) -> None:
    texts: dict[str, str | bytes] = {f"e{n}": f"{n}" + "x" * 1_000 for n in range(20)}
    job_id = await ready(service, texts)
    cache = TextCache(max_bytes=5_500)
    service.submit = replace(service.submit, materials=JudgingMaterials(texts=cache))

    await service.submit.handle([job_id])

    service.store.state.essays[job_id].clear()
    in_memory = await cache.load(service.store, [(job_id, item) for item in range(20)])
    assert len(service.provider.queued) == 20
    assert 0 < sum(getsizeof(text) for text in in_memory.values()) <= 5_500


async def test_a_full_cache_reads_only_what_it_does_not_hold(service: UseCases) -> None:
    job_id = await ready(service)
    cache = TextCache(max_bytes=10_000)
    wanted = [(job_id, item) for item in range(8)]

    first = await cache.load(service.store, wanted)
    service.store.state.essays[job_id].clear()
    again = await cache.load(service.store, wanted)

    assert first == again
    assert await cache.load(service.store, wanted) == first


async def test_expired_attempts_are_taken_back_and_lost_ones_asked_again(service: UseCases) -> None:
    job_id = await ready(service)
    await service.submit.handle([job_id])
    service.store.clock.ahead += POLICY.answer_timeout + timedelta(seconds=1)
    service.provider.forgets = True

    await service.expire.handle((await service.expire.take(100)).keys)
    lost = states(service, job_id)
    await service.submit_all()
    service.store.clock.ahead += POLICY.answer_timeout + timedelta(seconds=1)
    service.provider.forgets = False
    await service.expire.handle((await service.expire.take(100)).keys)

    assert lost == {"pending"}
    assert states(service, job_id) == {"failed"}
    assert len(service.provider.withdrawn) == 16
    assert service.woken["report"] == 2


async def test_nothing_expires_while_the_llm_provider_is_away(service: UseCases) -> None:
    job_id = await ready(service)
    await service.submit.handle([job_id])
    service.store.clock.ahead += POLICY.answer_timeout + timedelta(seconds=1)
    service.provider.is_away = True

    with pytest.raises(ExternalServiceError):
        await service.expire.handle((await service.expire.take(100)).keys)

    assert states(service, job_id) == {"submitted"}


async def test_an_attempt_that_cannot_be_expired_ends_its_batch(service: UseCases) -> None:
    job_id = await ready(service)
    await service.submit.handle([job_id])
    attempt = next(iter(service.store.state.attempts))

    await service.expire.set_aside(attempt, Reason())

    assert service.store.state.batches[job_id].batch.state is AssessmentState.FAILED


async def test_requests_of_an_ended_batch_are_withdrawn_once(service: UseCases) -> None:
    job_id = await ready(service)
    await service.submit.handle([job_id])
    await service.submit.set_aside(job_id, Reason())

    await service.withdraw.handle((await service.withdraw.take(50)).keys)

    assert len(service.provider.withdrawn) == 8
    service.store.clock.ahead += timedelta(minutes=1)
    assert (await service.withdraw.take(50)).keys == []


async def test_an_attempt_that_cannot_be_withdrawn_is_left_to_its_deadline(service: UseCases) -> None:
    job_id = await ready(service)
    await service.submit.handle([job_id])
    attempt = next(iter(service.store.state.attempts))

    await service.withdraw.set_aside(attempt, Reason())

    assert states(service, job_id) == {"submitted"}
