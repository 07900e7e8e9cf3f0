"""Judges that fail, callbacks that repeat, and batches that are cancelled, over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import pytest
import pytest_asyncio
from cj_assessment.tests.building import request
from cj_assessment.tests.fake_llm_provider import Vote, longer_text_wins
from cj_assessment.tests.serving import SECRET, Assessment, over_http, post_signed
from event_contracts import (
    AssessmentState,
    ComparisonBatchItem,
    ErrorCode,
    JsonObject,
    LLMConfigOverrides,
)
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.tests.waiting import eventually

TEXTS: dict[str, str | bytes] = {f"essay-{n}": "word " * (20 + 10 * n) for n in range(8)}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(make_database: Callable[[str], str]) -> AsyncIterator[Assessment]:
    async with over_http(make_database("cj_judging")) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def service(running: Assessment) -> AsyncIterator[Assessment]:
    running.fake_llm.tidy()
    yield running
    await running.cancel_all()


async def assess(
    service: Assessment,
    texts: dict[str, str | bytes],
    *,
    hints: JsonObject | None = None,
    assignment_id: str | None = None,
    overrides: LLMConfigOverrides | None = None,
) -> str:
    """Post texts and ask for their assessment; returns the batch id. Eight essays can be distinguished to .8."""
    envelope = request(
        await service.store_all(texts),
        hints={"target_reliability": 0.8, **(hints or {})},
        assignment_id=assignment_id,
        overrides=overrides,
    )
    answer = await service.accept(envelope)
    assert answer.status_code == 202, answer.text
    return envelope.data.entity_id


async def test_a_cancelled_batch_ends_and_asks_for_no_more(service: Assessment) -> None:
    service.fake_llm.answers_immediately = service.fake_llm.answers_cancelled = False
    batch_id = await assess(service, TEXTS)
    await eventually(lambda: len(service.fake_llm.taken) >= 8)

    answer = await service.http.post(f"/api/v1/batches/{batch_id}/cancel")
    status = await service.until_ended(batch_id)

    asked = len(service.fake_llm.taken)
    before = await service.metric("comparison_results_total", kind="batch_over")
    await service.fake_llm.answer(service.fake_llm.waiting())
    assert answer.status_code == 202
    assert status.state is AssessmentState.CANCELLED
    assert len(service.fake_llm.taken) == asked
    assert (await service.status(batch_id)).state is AssessmentState.CANCELLED
    assert await service.metric("comparison_results_total", kind="batch_over") == before + asked


async def test_a_judge_who_always_fails_fails_the_batch_with_the_reason(service: Assessment) -> None:
    service.fake_llm.judge = lambda _item: Vote(error_code=ErrorCode.LLM_PROVIDER_API_ERROR)

    batch_id = await assess(service, TEXTS)
    status = await service.until_ended(batch_id)

    assert status.state is AssessmentState.FAILED
    assert status.error is not None
    assert "LLM_PROVIDER_API_ERROR" in status.error.message


async def test_a_judge_who_fails_on_some_pairs_leaves_their_failures_named(service: Assessment) -> None:
    unjudgeable = [{"essay-5", "essay-0"}, {"essay-5", "essay-6"}]

    def sometimes(item: ComparisonBatchItem) -> Vote:
        if {item.metadata["essay_a_id"], item.metadata["essay_b_id"]} in unjudgeable:
            return Vote(error_code=ErrorCode.LLM_INVALID_RESPONSE)
        return longer_text_wins(item)

    service.fake_llm.judge = sometimes
    batch_id = await assess(service, TEXTS, hints={"max_comparisons": 60, "target_reliability": 0.999})
    status = await service.until_ended(batch_id)

    failed = (await service.result(batch_id))["assessment_metadata"]["failed_comparisons"]
    assert status.state is AssessmentState.COMPLETED
    assert failed["total"] == status.progress.comparisons_failed > 0
    assert failed["by_error_code"] == {"LLM_INVALID_RESPONSE": failed["total"]}


async def test_an_unsigned_or_forged_callback_is_refused(service: Assessment) -> None:
    service.fake_llm.answers_immediately = False
    await assess(service, TEXTS)
    await eventually(lambda: len(service.fake_llm.waiting()) > 0)
    envelope = service.fake_llm.result(service.fake_llm.waiting()[0])
    url = f"{service.http.base_url}/api/v1/callbacks/comparison-results"

    unsigned = await service.http.post(url, content=envelope.to_json())
    forged = await post_signed(service.http, WebhookSigner("whsec_" + "B" * 40), url, envelope)
    genuine = await post_signed(service.http, WebhookSigner(SECRET), url, envelope)

    assert (unsigned.status_code, forged.status_code, genuine.status_code) == (401, 401, 202)


async def test_repeated_and_unknown_callbacks_are_counted_and_change_nothing(service: Assessment) -> None:
    service.fake_llm.copies = 3
    service.fake_llm.shuffled = True

    batch_id = await assess(service, TEXTS)
    status = await service.until_ended(batch_id)
    stranger = request({"a": "1", "b": "2"})
    url = f"{service.http.base_url}/api/v1/callbacks/comparison-results"
    item = next(iter(service.fake_llm.taken.values()))
    unknown = item.model_copy(update={"metadata": {**item.metadata, "attempt_id": str(stranger.event_id)}})
    await post_signed(service.http, WebhookSigner(SECRET), url, service.fake_llm.result(unknown))

    assert status.progress.comparisons_judged <= len(service.fake_llm.taken)
    assert await service.metric("comparison_results_total", kind="repeated") > 0
    assert await service.metric("comparison_results_total", kind="unknown_request") == 1


async def test_a_busy_llm_provider_is_told_while_the_caller_waits_and_nothing_is_lost(
    service: Assessment,
) -> None:
    service.fake_llm.is_full = True
    batch_id = await assess(service, TEXTS)
    async with asyncio.timeout(30):
        while (problem := (await service.status(batch_id)).problem) is None:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.02)

    service.fake_llm.is_full = False
    status = await service.until_ended(batch_id)

    assert (problem.code, problem.comparisons >= len(TEXTS)) == (ErrorCode.SERVICE_UNAVAILABLE, True)
    assert "busy" in problem.message
    assert (status.state, status.problem) == (AssessmentState.COMPLETED, None)


async def test_a_call_in_flight_when_its_batch_is_cancelled_reaches_its_cost(service: Assessment) -> None:
    service.fake_llm.answers_immediately = False
    service.fake_llm.cost_of_cancelled = Decimal("0.02")
    batch_id = await assess(service, TEXTS)
    await eventually(lambda: len(service.fake_llm.taken) >= len(TEXTS))

    await service.http.post(f"/api/v1/batches/{batch_id}/cancel")
    await service.until_ended(batch_id)
    await eventually(lambda: service.fake_llm.waiting() == [])

    expected = len(service.fake_llm.taken) * Decimal("0.02")
    async with asyncio.timeout(30):
        while (await service.status(batch_id)).cost.cost_usd != expected:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.02)
