"""The wire as the platform sees it: events of a real run of both services on Kafka, with headers, keys and groups."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from batch_conductor.settings import Settings
from cj_assessment.tests.building import request
from event_contracts import (
    ALL_TOPICS,
    AssessmentResultV1,
    BatchStatus,
    CJAssessmentCompletedV1,
    CJAssessmentFailedV1,
    ELS_CJAssessmentRequestV1,
    EventEnvelope,
    LLMComparisonResultV1,
    LLMCostTrackingV1,
    LLMRequestCompletedV1,
    LLMRequestStartedV1,
    ResourceConsumptionV1,
    Topic,
    WireModel,
    event_for,
    parse_envelope,
    topic_of,
)
from event_contracts.tests import contract_facts as facts
from pydantic import JsonValue
from suite.tests.both_services import BothServices, both_services

WAIT_TIMEOUT_SECONDS: Final = 120.0
TEXTS: Final = ["word " * (20 + 15 * number) for number in range(6)]
TRACE: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Platform:
    """Another service of the platform: it publishes requests and hears every topic."""

    def __init__(self, prefix: str, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._prefix, self._producer, self._consumer = prefix, producer, consumer
        self.heard: list[tuple[str, ConsumerRecord[bytes, bytes]]] = []

    async def publish(self, envelope: EventEnvelope[Any], *, value: bytes | None = None) -> None:
        await self._producer.send_and_wait(
            self._prefix + str(topic_of(type(envelope.data))),
            value=value or envelope.to_json(),
            key=envelope.key.encode(),
            headers=list(envelope.headers()),
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not condition():
                polled = await self._consumer.getmany(timeout_ms=200)
                self.heard += [
                    (record.topic.removeprefix(self._prefix), record)
                    for records in polled.values()
                    for record in records
                ]

    def events(self, event: type[WireModel], batch_id: str) -> list["ConsumerRecord[bytes, bytes]"]:
        return [
            record
            for topic, record in self.heard
            if topic == topic_of(event) and batch_id.encode() in (record.key or b"") + (record.value or b"")
        ]


@asynccontextmanager
async def platform(bootstrap: str, prefix: str) -> AsyncIterator[Platform]:
    consumer = AIOKafkaConsumer(
        *(prefix + spec.topic for spec in ALL_TOPICS),
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
    )
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer, consumer:
        yield Platform(prefix, producer, consumer)


async def ask(services: BothServices, **wishes: Any) -> EventEnvelope[ELS_CJAssessmentRequestV1]:
    stored = {}
    for number, text in enumerate(TEXTS):
        answer = await services.assessment.post(
            "/v1/content", content=text, headers={"content-type": "text/plain"}
        )
        stored[f"essay-{number}"] = answer.json()["storage_id"]
    hints: dict[str, JsonValue] = {"max_comparisons": 12, "traceparent": TRACE}
    envelope: EventEnvelope[ELS_CJAssessmentRequestV1] = request(stored, hints=hints, **wishes)
    return envelope


@pytest.mark.slow
async def test_a_run_on_kafka_is_what_the_platform_expects(
    make_database: Callable[[str], str], kafka_bootstrap: str, topic_prefix: str
) -> None:
    kafka = {
        "event_bus": "kafka",
        "kafka_bootstrap_servers": kafka_bootstrap,
        "kafka_topic_prefix": topic_prefix,
        "kafka_partitions": 1,
    }
    async with (
        both_services(make_database("wire_cj"), make_database("wire_llm"), kafka=kafka) as services,
        platform(kafka_bootstrap, topic_prefix) as peer,
    ):
        envelope = await ask(services)
        batch_id = envelope.data.entity_id
        # As peers write: the model's name as event_type, the provider in capitals, fields of tomorrow.
        message = json.loads(envelope.to_json())
        message["event_type"] = "ELS_CJAssessmentRequestV1"
        message["data"]["llm_config_overrides"] = {"provider_override": "MOCK"}
        message["data"]["system_metadata"]["processing_stage"] = "a_stage_of_tomorrow"
        message["added_by_a_later_version"] = {"any": 1}
        await peer.publish(envelope, value=json.dumps(message).encode())
        await peer.until(lambda: bool(peer.events(ResourceConsumptionV1, batch_id)))

        hopeless = request({"only": "0" * 64})
        await peer.publish(hopeless)
        lost = hopeless.data.entity_id
        await peer.until(
            lambda: (
                bool(peer.events(CJAssessmentFailedV1, lost))
                and bool(peer.events(CJAssessmentCompletedV1, lost))
            )
        )
        groups = await consumer_groups(kafka_bootstrap, topic_prefix)

    assert groups == {facts.CONSUMER_GROUPS["cj_assessment"]}
    for topic, record in peer.heard:
        check_headers(topic, record)
    for event in (AssessmentResultV1, CJAssessmentCompletedV1, ResourceConsumptionV1):
        [record] = peer.events(event, batch_id)
        assert record.key == batch_id.encode()
        assert set(json.loads(record.value)["data"]) >= set(facts.FIELDS[event.__name__].split())
    check_comparisons(peer, envelope)
    [ended] = peer.events(CJAssessmentCompletedV1, lost)
    told = parse_envelope(ended.value or b"", CJAssessmentCompletedV1).data
    assert told.status is BatchStatus.FAILED_CRITICALLY
    assert told.processing_summary.failed_essay_ids == ("only",)
    assert told.processing_summary.single_essay_batch
    assert told.system_metadata.event == facts.EVENT_NAMES["CJAssessmentCompletedV1"]


def check_headers(topic: str, record: "ConsumerRecord[bytes, bytes]") -> None:
    """Of every message that the suite or a peer has written: as the contract lists them, and true."""
    envelope = parse_envelope(record.value or b"", event_for(topic))
    headers = dict(record.headers)
    assert set(headers) >= set(facts.HEADERS.split())
    assert headers["event_id"] == str(envelope.event_id).encode()
    assert headers["correlation_id"] == str(envelope.correlation_id).encode()
    assert headers["source_service"] == envelope.source_service.encode()
    assert headers["content_type"] == b"application/json"
    if topic != Topic.CJ_ASSESSMENT_REQUESTED:
        assert headers["event_type"].decode() == topic
        assert envelope.event_type == topic
        assert envelope.source_service in facts.SOURCE_SERVICES.split()


def check_comparisons(peer: Platform, envelope: EventEnvelope[ELS_CJAssessmentRequestV1]) -> None:
    """Each result says whose it was, in the order of its batch, with the chain's correlation id."""
    batch_id = envelope.data.entity_id
    results = peer.events(LLMComparisonResultV1, batch_id)
    assert len(results) == 12
    for record in results:
        result = parse_envelope(record.value or b"", LLMComparisonResultV1)
        assert record.key == batch_id.encode()
        assert result.correlation_id == envelope.correlation_id
        metadata = result.data.request_metadata
        assert set(metadata) >= set((facts.PROVENANCE + " " + facts.CACHE_METADATA).split())
        assert metadata["queue_processing_mode"] == "per_request"
    started, completed = (
        [record for topic, record in peer.heard if topic == topic_of(event)]
        for event in (LLMRequestStartedV1, LLMRequestCompletedV1)
    )
    assert len(started) == len(completed) == len(results)
    for topic, record in peer.heard:
        if topic == topic_of(LLMCostTrackingV1):
            cost = parse_envelope(record.value or b"", LLMCostTrackingV1).data
            assert cost.service_name == "cj_assessment_service"


async def consumer_groups(bootstrap: str, prefix: str) -> set[str]:
    """The groups of this installation that the broker knows."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found = {name for name, *_ in await admin.list_consumer_groups()}
    finally:
        await admin.close()
    return {name.removeprefix(prefix) for name in found if name.startswith(prefix)}


def test_the_conductors_group_is_the_platforms() -> None:
    assert Settings.model_fields["kafka_consumer_group"].default == facts.CONSUMER_GROUPS["batch_conductor"]
