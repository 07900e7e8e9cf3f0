"""Over HTTP: a pipeline is defined from what is on record, and those that wait for a skipped phase are told once."""

import asyncio

import httpx2
import pytest
from batch_conductor.tests.building import (
    AI_FEEDBACK,
    CJ_ASSESSMENT,
    COMPREHENSIVE,
    NLP,
    SPELLCHECK,
    assessment,
    outcome,
)
from batch_conductor.tests.serving import Conductor, Listener, all_sent, deliver, rows
from event_contracts import (
    BatchStatus,
    ErrorBody,
    JsonObject,
    Topic,
)
from service_kit.messaging.event_bus import MemoryEventBus

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def listener(bus: MemoryEventBus) -> Listener:
    """A service that waits for skipped phases."""
    listener = Listener()
    bus.subscribe([Topic.PHASE_SKIPPED], group="listener", handler=listener)
    return listener


def error_of(answer: httpx2.Response) -> ErrorBody:
    return ErrorBody.model_validate_json(answer.content)


async def test_a_batch_that_nothing_is_known_of_goes_through_everything(
    conductor: Conductor, batch_id: str
) -> None:
    answer = await conductor.pipeline(batch_id, COMPREHENSIVE)
    phases = await conductor.phases(batch_id)

    assert answer.final_pipeline == (SPELLCHECK, NLP, CJ_ASSESSMENT, AI_FEEDBACK)
    assert {(phase.status, phase.expected) for phase in phases.values()} == {("pending", None)}
    assert tuple(phases) == answer.final_pipeline


async def test_completed_phases_are_skipped_and_announced(
    conductor: Conductor, bus: MemoryEventBus, listener: Listener, batch_id: str
) -> None:
    await deliver(bus, outcome(batch_id, SPELLCHECK), assessment(batch_id))

    answer = await conductor.pipeline(batch_id, COMPREHENSIVE)
    await all_sent(conductor.settings)
    skipped = listener.heard_of(batch_id)

    assert answer.final_pipeline == (NLP, AI_FEEDBACK)
    assert answer.details is not None
    assert [(skip.phase_name, skip.reason) for skip in answer.details.skipped_phases] == [
        (SPELLCHECK, "already_completed"),
        (CJ_ASSESSMENT, "already_completed"),
    ]
    assert [event.data.phase_name for event in skipped] == [SPELLCHECK, CJ_ASSESSMENT]
    assert {event.key for event in skipped} == {batch_id}


async def test_the_same_call_has_the_same_answer_and_announces_nothing_twice(
    conductor: Conductor, bus: MemoryEventBus, listener: Listener, batch_id: str
) -> None:
    await deliver(bus, outcome(batch_id, SPELLCHECK))

    answers = [await conductor.pipeline(batch_id, CJ_ASSESSMENT) for _ in range(3)]
    await all_sent(conductor.settings)
    skipped = listener.heard_of(batch_id)

    assert answers == answers[:1] * 3
    assert len(skipped) == 1


async def test_calls_at_the_same_moment_announce_a_skipped_phase_once(
    conductor: Conductor, bus: MemoryEventBus, listener: Listener, batch_id: str
) -> None:
    await deliver(bus, outcome(batch_id, SPELLCHECK), assessment(batch_id))

    answers = await asyncio.gather(*(conductor.pipeline(batch_id, COMPREHENSIVE) for _ in range(20)))
    await all_sent(conductor.settings)
    skipped = listener.heard_of(batch_id)

    assert answers == answers[:1] * 20
    assert [event.data.phase_name for event in skipped] == [SPELLCHECK, CJ_ASSESSMENT]


async def test_another_chain_of_events_hears_of_its_own_skipped_phases(
    conductor: Conductor, bus: MemoryEventBus, listener: Listener, batch_id: str
) -> None:
    await deliver(bus, outcome(batch_id, SPELLCHECK))

    for correlation_id in ("monday", "tuesday"):
        await conductor.pipeline(batch_id, NLP, correlation_id=correlation_id)
    await all_sent(conductor.settings)
    skipped = listener.heard_of(batch_id)

    assert [event.data.phase_name for event in skipped] == [SPELLCHECK, SPELLCHECK]
    assert len({event.correlation_id for event in skipped}) == 2


@pytest.mark.parametrize("status", [BatchStatus.FAILED_CRITICALLY, BatchStatus.CANCELLED])
async def test_a_phase_that_did_not_complete_is_run_again(
    conductor: Conductor, bus: MemoryEventBus, batch_id: str, status: BatchStatus
) -> None:
    await deliver(bus, outcome(batch_id, SPELLCHECK, status=status, processed=[], failed=["e1"]))

    answer = await conductor.pipeline(batch_id, NLP)

    assert answer.final_pipeline == (SPELLCHECK, NLP)


async def test_a_batch_without_its_task_is_blocked_and_told_what_to_do(
    conductor: Conductor, batch_id: str
) -> None:
    blocked = await conductor.define(batch_id, CJ_ASSESSMENT, metadata=None)
    granted = await conductor.define(batch_id, CJ_ASSESSMENT)

    error = error_of(blocked).error
    assert (blocked.status_code, granted.status_code) == (422, 200)
    assert error.error_code == "BCS_PIPELINE_COMPATIBILITY_FAILED"
    assert "batch_metadata.student_prompt_ref" in error.message


async def test_a_blocked_call_plans_nothing_and_announces_nothing(
    conductor: Conductor, bus: MemoryEventBus, listener: Listener, batch_id: str
) -> None:
    await deliver(bus, outcome(batch_id, SPELLCHECK))

    await conductor.define(batch_id, CJ_ASSESSMENT, metadata=None)
    await all_sent(conductor.settings)

    assert listener.heard_of(batch_id) == []
    assert (await conductor.phases(batch_id)).keys() == {SPELLCHECK}


async def test_every_call_is_on_record_with_its_answer(
    conductor: Conductor, bus: MemoryEventBus, batch_id: str
) -> None:
    await deliver(bus, outcome(batch_id, SPELLCHECK))
    await conductor.define(batch_id, CJ_ASSESSMENT, correlation_id="monday", metadata=None)
    await conductor.define(batch_id, CJ_ASSESSMENT, correlation_id="tuesday")

    plans = await rows(
        conductor.settings,
        "SELECT correlation_id, requested, batch_metadata, phases, skipped, jsonb_array_length(obstacles)"
        " FROM pipeline_plan WHERE batch_id = :batch_id ORDER BY id",
        batch_id=batch_id,
    )
    assert plans == [
        ("monday", "cj_assessment", None, ["cj_assessment"], ["spellcheck"], 1),
        ("tuesday", "cj_assessment", {"prompt_attached": True}, ["cj_assessment"], ["spellcheck"], 0),
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"requested_pipeline": "grammar"}, "'spellcheck', 'nlp', 'cj_assessment'"),
        ({"requested_pipeline": "x" * 101}, "requested_pipeline"),
        ({"batch_id": ""}, "batch_id"),
        ({"batch_id": "b" * 256}, "batch_id"),
        ({"correlation_id": "c" * 101}, "correlation_id"),
        ({"batch_metadata": []}, "batch_metadata"),
        ({"batch_metadata": {"prompt_attached": "yes"}}, "batch_metadata.prompt_attached"),
    ],
)
async def test_an_invalid_call_is_answered_with_the_field_at_fault(
    conductor: Conductor, batch_id: str, change: JsonObject, reason: str
) -> None:
    body = {"batch_id": batch_id, "requested_pipeline": "nlp", "correlation_id": "run-1", **change}
    answer = await conductor.http.post("/internal/v1/pipelines/define", json=body)

    error = error_of(answer).error
    assert answer.status_code == 422
    assert error.error_code == "VALIDATION_ERROR"
    assert error.service == "batch_conductor_service"
    assert reason in error.message


async def test_an_unknown_batch_is_not_found(conductor: Conductor, batch_id: str) -> None:
    answer = await conductor.http.get(f"/internal/v1/batches/{batch_id}/phases")

    assert answer.status_code == 404
    assert error_of(answer).error.error_code == "RESOURCE_NOT_FOUND"
    assert batch_id in error_of(answer).error.message


async def test_the_service_is_ready_and_documents_its_routes(conductor: Conductor) -> None:
    ready = await conductor.http.get("/readyz")
    document = (await conductor.http.get("/openapi.json")).json()

    assert ready.status_code == 200
    assert document["paths"].keys() == {
        "/internal/v1/pipelines/define",
        "/internal/v1/pipelines/validate",
        "/internal/v1/phases/complete",
        "/internal/v1/batches/{batch_id}/phases",
        "/admin/v1/set-aside",
        "/admin/v1/set-aside/{worker}/{item}/replay",
        "/admin/v1/set-aside/{worker}/{item}",
        "/admin/v1/given-up",
        "/admin/v1/given-up/{message_id}",
        "/admin/v1/given-up/{message_id}/replay",
    }
    assert {"200", "422", "503"} <= document["paths"]["/internal/v1/pipelines/define"]["post"][
        "responses"
    ].keys()


async def test_an_id_that_no_database_keeps_is_refused(conductor: Conductor) -> None:
    asked = await conductor.define("a\x00b", NLP)
    read = await conductor.http.get("/internal/v1/batches/a%00b/phases")

    assert (asked.status_code, read.status_code) == (422, 422)
    assert "batch_id: must be an id" in error_of(asked).error.message
    assert "batch_id in the path: must be an id" in error_of(read).error.message
