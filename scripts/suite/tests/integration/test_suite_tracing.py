"""One trace for a batch: from the caller's request through both services, Kafka and the judge, to the result."""

from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import pytest
from cj_assessment.tests.building import request
from event_contracts import AssessmentResultV1, CJAssessmentCompletedV1, LLMComparisonResultV1, Topic
from service_kit.tests.spans import Spans, Traced, parent_id, span_id, trace_id
from suite.tests.both_services import SERVICE_SECRET, BothServices, both_services
from suite.tests.integration.test_suite_platform_wire import platform

TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER: Final = "00f067aa0ba902b7"
TRACEPARENT: Final = f"00-{TRACE_ID}-{CALLER}-01"
SENTENCE: Final = "Nobody who reads traces should read this sentence."

ACCEPT: Final = "POST /api/v1/assessments"
SUBMIT: Final = "submit comparisons"
QUEUE: Final = "POST /api/v1/comparisons"
JUDGE: Final = "judge mock"
RESULT: Final = Topic.LLM_COMPARISON_RESULT


async def judged(services: BothServices) -> str:
    """Have a batch assessed by a caller that is part of a trace; returns its id."""
    batch_id = f"batch-{uuid4().hex}"
    stored = {}
    for number in range(6):
        text = f"{SENTENCE} It is number {number}. " + "word " * (20 + 15 * number)
        answer = await services.assessment.post(
            "/v1/content", content=text, headers={"content-type": "text/plain"}
        )
        stored[f"essay-{number}"] = answer.json()["storage_id"]
    answer = await services.assessment.post(
        "/api/v1/assessments",
        content=request(stored, batch_id=batch_id, hints={"max_comparisons": 12}).to_json(),
        headers={
            "content-type": "application/json",
            "traceparent": TRACEPARENT,
            "tracestate": "school=1",
        },
    )
    assert answer.status_code == 202, answer.text
    status = await services.until_ended(f"/api/v1/batches/{batch_id}")
    assert status["state"] == "completed", status
    return batch_id


def traced(spans: Spans) -> dict[str, Any]:
    return {
        "assessment_overrides": [Traced(spans, "cj_assessment_service")],
        "provider_overrides": [Traced(spans, "llm_provider_service")],
    }


@pytest.mark.slow
async def test_a_batch_is_one_trace_through_http_outbox_kafka_and_back(
    make_database: Callable[[str], str], kafka_bootstrap: str, topic_prefix: str
) -> None:
    spans = Spans()
    kafka = {
        "event_bus": "kafka",
        "kafka_bootstrap_servers": kafka_bootstrap,
        "kafka_topic_prefix": topic_prefix,
        "kafka_partitions": 1,
    }
    async with (
        both_services(
            make_database("trace_cj"), make_database("trace_llm"), kafka=kafka, **traced(spans)
        ) as services,
        platform(kafka_bootstrap, topic_prefix) as peer,
    ):
        batch_id = await judged(services)
        await peer.until(
            lambda: bool(
                peer.events(AssessmentResultV1, batch_id) and peer.events(CJAssessmentCompletedV1, batch_id)
            )
        )

    [accepted] = spans.named(ACCEPT)
    assert (trace_id(accepted), parent_id(accepted)) == (TRACE_ID, CALLER)
    of_batch = {"prepare batch", "decide on batch", SUBMIT, JUDGE, f"publish {RESULT}"}
    for name in of_batch:
        found = spans.named(name)
        assert found, name
        assert {(trace_id(span), parent_id(span)) for span in found} == {(TRACE_ID, span_id(accepted))}, name
    by_id = {span_id(span): span for span in spans.all()}
    queued = spans.named(QUEUE)
    assert queued
    for server in queued:
        client = by_id[parent_id(server) or ""]
        submission = by_id[parent_id(client) or ""]
        assert (trace_id(server), client.name, submission.name) == (TRACE_ID, "POST", SUBMIT)
        assert server.resource.attributes["service.name"] == "llm_provider_service"
    handled = spans.named(f"handle {RESULT}")
    assert len(handled) >= 12
    assert len(spans.named(JUDGE)) >= 12
    for callback in handled:
        assert trace_id(callback) == TRACE_ID
        assert by_id[parent_id(callback) or ""].name == f"publish {RESULT}"
    for event in (LLMComparisonResultV1, AssessmentResultV1, CJAssessmentCompletedV1):
        for record in peer.events(event, batch_id):
            headers = dict(record.headers)
            assert headers["trace_id"].decode() == TRACE_ID
            assert headers["traceparent"].decode().split("-")[1] == TRACE_ID
            assert headers["tracestate"] == b"school=1"
    assert SENTENCE not in spans.as_text()
    assert SERVICE_SECRET not in spans.as_text()
    assert "Bearer" not in spans.as_text()


@pytest.mark.slow
async def test_a_callback_over_http_continues_the_trace(make_database: Callable[[str], str]) -> None:
    spans = Spans()
    async with both_services(
        make_database("trace_http_cj"),
        make_database("trace_http_llm"),
        callback_over_http=True,
        **traced(spans),
    ) as services:
        await judged(services)

    by_id = {span_id(span): span for span in spans.all()}
    received = spans.named("POST /api/v1/callbacks/comparison-results")
    assert len(received) >= 12
    for server in received:
        assert trace_id(server) == TRACE_ID
        assert by_id[parent_id(server) or ""].name == "POST callback"
