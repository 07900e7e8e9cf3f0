"""A request is accepted once, checked before anything is stored, and refused with what to do."""

import pytest
from cj_assessment.domain.batch import BatchId
from cj_assessment.tests.in_memory_app import UseCases
from event_contracts import (
    AssessmentState,
    CJAssessmentFailedV1,
    Conflict,
    InvalidLlmConfig,
    InvalidRequest,
    JsonObject,
    LLMConfigOverrides,
    ResourceConsumptionV1,
)

TEXTS: dict[str, str | bytes] = {f"e{n}": "word " * (10 + n) for n in range(4)}


@pytest.fixture
def service() -> UseCases:
    return UseCases()


async def test_an_accepted_batch_waits_to_be_prepared_and_wakes_the_worker_that_prepares_it(
    service: UseCases,
) -> None:
    batch = await service.ask(TEXTS)

    assert batch.state is AssessmentState.ACCEPTED
    assert service.woken["prepare"] == 1
    assert (await service.prepare.take(10)).keys == [batch.job_id]


async def test_the_same_request_twice_is_one_batch(service: UseCases) -> None:
    envelope = await service.envelope(TEXTS)

    first, second = await service.accept(envelope), await service.accept(envelope)

    assert first.job_id == second.job_id
    assert len(service.store.state.batches) == 1


async def test_a_batch_id_that_is_taken_by_another_request_is_a_conflict(service: UseCases) -> None:
    await service.ask(TEXTS, batch_id="taken")

    with pytest.raises(Conflict, match="use a new batch id"):
        await service.ask({"other": "text", "another": "text"}, batch_id="taken")


@pytest.mark.parametrize(
    ("wishes", "kind", "told"),
    [
        ({"overrides": LLMConfigOverrides(provider_override="nobody")}, InvalidLlmConfig, "use one of"),
        ({"hints": {"target_reliability": 2}}, InvalidRequest, "target_reliability"),
        ({"hints": {"callback_url": "https://elsewhere.example/"}}, InvalidRequest, "not allowed"),
    ],
)
async def test_what_cannot_be_assessed_is_refused_and_nothing_is_stored(
    service: UseCases, wishes: dict[str, JsonObject], kind: type[InvalidRequest], told: str
) -> None:
    with pytest.raises(kind, match=told):
        await service.ask(TEXTS, **wishes)

    assert service.store.state.batches == {}


async def test_an_event_that_cannot_be_assessed_ends_in_a_failed_event_and_the_others_are_accepted(
    service: UseCases,
) -> None:
    wrong = await service.envelope(TEXTS, batch_id="wrong", hints={"target_reliability": 2})
    right = await service.envelope(TEXTS, batch_id="right")

    await service.accept.from_events([wrong, right, right])
    await service.accept.from_events([wrong, right])

    assert service.store.state.row_of(BatchId("right")) is not None
    [failed] = service.store.events(CJAssessmentFailedV1)
    assert (failed.entity_id, "target_reliability" in failed.error_detail().message) == ("wrong", True)


async def test_a_batch_that_was_refused_has_no_consumption_to_report(service: UseCases) -> None:
    await service.accept.from_events([await service.envelope(TEXTS, hints={"target_reliability": 2})])

    assert (await service.report.take(10)).keys == []
    assert service.store.events(ResourceConsumptionV1) == []
