"""Three replicas of each service share the work, and a vendor's limit holds for the three of them together.

None idles, nothing is done twice, and when one replica of each service is killed the others finish its work.
"""

import asyncio
import bisect
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.partitioner import DefaultPartitioner
from batch_conductor.tests.building import outcome
from batch_runner.assignment.contents import Assignment
from batch_runner.running.execution import follow, until_accepted, upload
from batch_runner.running.request import RunOptions, assessment_request
from batch_runner.wire.client import AssessmentClient
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    BatchPhases,
    BatchStatusView,
    CJAssessmentCompletedV1,
    EventEnvelope,
    LLMComparisonResultV1,
    LLMConfigOverrides,
    PhaseName,
    ProcessingStage,
    Topic,
    WireModel,
    parse_envelope,
)
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import serving_app, submit
from llm_provider.tests.vendors.limited_vendor import LimitedVendor, VendorLimits
from prometheus_client.parser import text_string_to_metric_families
from suite.embedded.postgres import PostgresServer, plain_connection
from suite.installed import PACKAGES
from suite.processes.batches import generated_essays, write_qualities
from suite.processes.service_process import ServiceProcess
from suite.processes.tokens import OwnToken
from suite.processes.topics import published_messages
from suite.tests.replicas import ReplicatedService, replicated

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

REPLICAS: Final = 3
PARTITIONS: Final = 6
BATCHES: Final = 12
OVER_HTTP: Final = 3
"""Of the batches; the others are asked for over Kafka."""
COMPARISONS: Final = 16
FAIR_SHARE: Final = 0.1
"""What each replica does at least, of what the three do; a third would be equal."""
RETRY_SECONDS: Final = 180.0

WINDOW_SECONDS: Final = 12.0
PER_MINUTE: Final = 720
IN_WINDOW: Final = int(PER_MINUTE * WINDOW_SECONDS / 60)
LIMITED: Final = LLMConfigOverrides(provider_override="openai_compatible", model_override="limited-1")
LIMITED_COMPARISONS: Final = 168

SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "llm_provider": {
        "simulated_latency_ms": "300",
        "concurrency": "4",
        "lease_duration": "PT3S",
        "database_pool_size": "5",
        "limits": json.dumps({"openai_compatible": {"requests_per_minute": PER_MINUTE, "concurrency": 32}}),
        # A busy machine delays calls that were let through in time: what is left of the limit is room for that.
        "limit_share": "0.875",
    },
    "cj_assessment": {"default_provider": "mock", "database_pool_size": "5"},
    "batch_conductor": {"database_pool_size": "5"},
}
GROUPS: Final = {"cj_assessment": "cj_assessment_consumer_group", "batch_conductor": "bcs-event-consumer"}
WORK: Final[Mapping[str, Callable[[str, Mapping[str, str]], bool]]] = {
    "cj_assessment": lambda name, labels: (
        name == "comparison_answers_total" and labels["outcome"] == "judged"
    ),
    "llm_provider": lambda name, labels: name == "judge_calls_total" and labels["provider"] == "mock",
    "batch_conductor": lambda name, _: name == "events_handled_total",
}
"""The samples at /metrics that count what a replica has done."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Three replicas of each service, and the vendor whose limit they share; the last test kills one of each."""

    services: Mapping[str, ReplicatedService]
    kafka: str
    postgres: PostgresServer
    name: str
    vendor: LimitedVendor
    assignment: Assignment
    http: httpx2.AsyncClient
    producer: AIOKafkaProducer

    @property
    def assessment(self) -> AssessmentClient:
        """CJ Assessment at the address of its replicas; one that is killed breaks off its answers."""
        url = self.services["cj_assessment"].balancer.url
        return AssessmentClient(http=self.http, base_url=url, retry_timeout=RETRY_SECONDS)

    async def work(self, package: str) -> list[float]:
        """What each replica of a service has done since it was started; nothing, if it does not answer."""
        return [await self._work(one, WORK[package]) for one in self.services[package].replicas]

    async def _work(self, one: ServiceProcess, counts: Callable[[str, Mapping[str, str]], bool]) -> float:
        try:
            text = (await self.http.get(f"{one.url}/metrics")).text
        except httpx2.ConnectError:
            return 0.0
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return sum(sample.value for sample in samples if counts(sample.name, sample.labels))

    async def shares_since(self, before: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
        """Each replica's share of what was done since ``before``."""
        shares = {}
        for package, then in before.items():
            done = [now - was for now, was in zip(await self.work(package), then, strict=True)]
            shares[package] = [one / sum(done) for one in done]
        return shares

    async def published(self, event: type[WireModel], topic: Topic) -> list[EventEnvelope[Any]]:
        """Every message on a topic; one that was sent twice is there twice."""
        prefix = f"{self.name}."
        values = await published_messages(self.kafka, topics=f"{prefix}{topic}".replace(".", r"\."))
        return [parse_envelope(value, event) for value in values]

    def database(self, package: str) -> AbstractAsyncContextManager[asyncpg.Connection]:
        return plain_connection(self.postgres.url_for(f"{self.name}_{package}"))

    async def send(self, event: EventEnvelope[Any], *, key: str) -> None:
        """Publish an event as another service of the platform does."""
        await self.producer.send_and_wait(
            f"{self.name}.{event.event_type}", value=event.to_json(), key=key.encode()
        )

    async def start_batches(self) -> list[str]:
        """Ask for the batches, a few over HTTP and the others over Kafka; returns their ids."""
        batches = [
            RunOptions(batch_uuid=one, max_comparisons=COMPARISONS, target_reliability=0.9999)
            for one in spread_ids()
        ]
        client = self.assessment
        texts = await upload(client, self.assignment)
        requests = [assessment_request(self.assignment, texts, options) for options in batches]
        for options, request in zip(batches[OVER_HTTP:], requests[OVER_HTTP:], strict=True):
            await self.send(request, key=options.batch_id)
        for request in requests[:OVER_HTTP]:
            await client.start(request)
        return [options.batch_id for options in batches]

    async def ended(self, batch: str) -> BatchStatusView:
        """The final status of a batch that has been asked for."""
        await until_accepted(self.assessment, batch, seconds=RETRY_SECONDS)
        async with asyncio.timeout(RETRY_SECONDS):
            return [status async for status in follow(self.assessment, batch)][-1]

    async def check_every_batch_ended_once(self, batches: Sequence[str]) -> None:
        """Each batch has all its comparisons, each judged once, and one result and one completion."""
        ended = await asyncio.gather(*(self.ended(batch) for batch in batches))
        assert {status.state for status in ended} == {AssessmentState.COMPLETED}
        assert {status.progress.comparisons_judged for status in ended} == {COMPARISONS}
        async with self.database("cj_assessment") as rows:
            await _until_true(lambda: rows.fetchval("SELECT count(*) = 0 FROM outbox"))
            answers = await rows.fetch(
                "SELECT comparison_id, count(*) AS answers FROM comparison_attempt"
                " JOIN assessment_batch ON assessment_batch.id = job_id"
                " WHERE outcome = 'answered' AND batch_id = ANY($1) GROUP BY comparison_id",
                batches,
            )
        assert [row["answers"] for row in answers] == [1] * (len(batches) * COMPARISONS)
        for event, topic in (
            (AssessmentResultV1, Topic.ASSESSMENT_RESULT_PUBLISHED),
            (CJAssessmentCompletedV1, Topic.CJ_ASSESSMENT_COMPLETED),
        ):
            told = {one.event_id: one.key for one in await self.published(event, topic)}
            assert Counter(key for key in told.values() if key in batches) == Counter(batches)

    async def until_conductor_knows(self, batches: Sequence[str]) -> None:
        """Wait until the conductor has every batch's completion on record."""
        url = self.services["batch_conductor"].balancer.url
        for batch in batches:

            async def is_known(path: str = f"{url}/internal/v1/batches/{batch}/phases") -> bool:
                answer = await self.http.get(path)
                if not answer.is_success:
                    return False
                phases = BatchPhases.model_validate_json(answer.content).phases
                ended = {phase.phase_name for phase in phases if phase.status is ProcessingStage.COMPLETED}
                return PhaseName.CJ_ASSESSMENT in ended

            await _until_true(is_known)

    async def until_shared(self) -> None:
        """Wait until every replica has an equal part of the partitions of each group that reads events."""
        for group in GROUPS.values():

            async def is_shared(full_name: str = f"{self.name}.{group}") -> bool:
                counts = await _partitions_by_member(self.kafka, full_name)
                return len(counts) == REPLICAS and 0 < min(counts) == max(counts)

            await _until_true(is_shared)


def spread_ids() -> list[UUID]:
    """Ids of batches, equally many of them on each partition: a replica can have no more than its partitions hold."""
    partitions = list(range(PARTITIONS))
    chosen: dict[int, list[UUID]] = {partition: [] for partition in partitions}
    while min(map(len, chosen.values())) < BATCHES // PARTITIONS:
        candidate = uuid4()
        place = chosen[DefaultPartitioner()(str(candidate).encode(), partitions, partitions)]
        if len(place) < BATCHES // PARTITIONS:
            place.append(candidate)
    return [one for ids in zip(*chosen.values(), strict=True) for one in ids]


def busiest(times: Sequence[float]) -> int:
    """How many of these moments lie in the busiest window of ``WINDOW_SECONDS``."""
    ordered = sorted(times)
    return max(
        bisect.bisect_left(ordered, start + WINDOW_SECONDS) - number for number, start in enumerate(ordered)
    )


async def _partitions_by_member(kafka: str, group: str) -> list[int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        [described] = await admin.describe_consumer_groups([group])
    except GroupCoordinatorNotAvailableError:  # nobody has joined any group of this broker yet
        return []
    finally:
        await admin.close()
    members = described.groups[0][5]
    assigned = [ConsumerProtocol.ASSIGNMENT.decode(member[4]) for member in members if member[4]]
    return [sum(len(numbers) for _, numbers in one.assignment) for one in assigned]


async def _until_true(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(RETRY_SECONDS):
        while not await holds():  # noqa: ASYNC110 - other processes work, not a task
            await asyncio.sleep(0.1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(
    postgres_server: PostgresServer, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    folder, name = tmp_path_factory.mktemp("three"), f"three{uuid4().hex[:8]}"
    assignment = generated_essays(8)
    vendor = LimitedVendor(
        limits=VendorLimits(requests=IN_WINDOW, tokens=10**9, window=WINDOW_SECONDS, latency=0.2)
    )
    try:
        async with serving_app(vendor) as vendor_url:
            settings = {package: dict(SETTINGS[package]) for package in PACKAGES}
            settings["llm_provider"] |= {
                "openai_compatible_url": f"{vendor_url}/v1",
                "simulated_quality_file": str(write_qualities(assignment, folder / "qualities.toml")),
            }
            producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, acks="all")
            async with (
                replicated(
                    postgres_server,
                    kafka_bootstrap,
                    name=name,
                    folder=folder,
                    settings=settings,
                    count=REPLICAS,
                ) as services,
                httpx2.AsyncClient(auth=OwnToken(), timeout=30) as http,
                producer,
            ):
                cluster = Cluster(
                    services=services,
                    kafka=kafka_bootstrap,
                    postgres=postgres_server,
                    name=name,
                    vendor=vendor,
                    assignment=assignment,
                    http=http,
                    producer=producer,
                )
                await cluster.until_shared()
                yield cluster
    finally:
        for service in PACKAGES:
            postgres_server.drop_database(f"{name}_{service}")


async def test_every_replica_does_its_share_and_nothing_is_done_twice(cluster: Cluster) -> None:
    before = {package: await cluster.work(package) for package in PACKAGES}

    batches = await cluster.start_batches()
    for batch in batches:
        await cluster.send(outcome(batch, PhaseName.SPELLCHECK), key=batch)
    await cluster.check_every_batch_ended_once(batches)
    await cluster.until_conductor_knows(batches)

    shares = await cluster.shares_since(before)
    print(f"shares={ {package: [f'{one:.0%}' for one in each] for package, each in shares.items()} }")
    assert {package: min(each) >= FAIR_SHARE for package, each in shares.items()} == dict.fromkeys(
        PACKAGES, True
    ), shares
    # Nobody was killed: every call, callback and event is there once, also before anything is recognised as repeated.
    done = {package: sum(await cluster.work(package)) - sum(then) for package, then in before.items()}
    assert done == {
        "llm_provider": BATCHES * COMPARISONS,
        "cj_assessment": BATCHES * COMPARISONS,
        "batch_conductor": 2 * BATCHES,
    }
    callbacks = await cluster.published(LLMComparisonResultV1, Topic.LLM_COMPARISON_RESULT)
    of_batches = Counter(one.data.request_id for one in callbacks if one.key in batches)
    assert sorted(of_batches.values()) == [1] * (BATCHES * COMPARISONS)


async def test_three_replicas_keep_one_vendors_limit_together(cluster: Cluster) -> None:
    provider = cluster.services["llm_provider"].balancer.url
    items = [
        comparison(f"{number} an essay", batch="limited", overrides=LIMITED)
        for number in range(LIMITED_COMPARISONS)
    ]

    async with httpx2.AsyncClient(base_url=provider, auth=OwnToken(), timeout=30) as http:
        await submit(http, items)
    async with cluster.database("llm_provider") as rows:
        ended = "SELECT count(*) = $1 FROM judge_request WHERE batch_id = 'limited' AND ended_at IS NOT NULL"
        await _until_true(lambda: rows.fetchval(ended, LIMITED_COMPARISONS))

    calls = cluster.vendor.calls
    most = busiest([call.at for call in calls])
    print(f"calls in the busiest {WINDOW_SECONDS:g} s: {most} of {IN_WINDOW} allowed")
    assert Counter(call.status for call in calls) == {200: LIMITED_COMPARISONS}
    assert 0.85 * IN_WINDOW <= most <= IN_WINDOW


async def test_when_one_replica_of_each_is_killed_the_others_finish_its_work(cluster: Cluster) -> None:
    before = {package: await cluster.work(package) for package in PACKAGES}
    victims = [cluster.services[package].replicas[0] for package in PACKAGES]

    batches = await cluster.start_batches()

    async def all_are_busy() -> bool:
        done = [
            now - then
            for package in ("llm_provider", "cj_assessment")
            for now, then in zip(await cluster.work(package), before[package], strict=True)
        ]
        return min(done) >= 3

    await _until_true(all_are_busy)
    await asyncio.gather(*(victim.kill() for victim in victims))
    done = sum(await cluster.work("cj_assessment")) - sum(before["cj_assessment"][1:])
    killed_at = asyncio.get_running_loop().time()
    await cluster.check_every_batch_ended_once(batches)
    await cluster.until_conductor_knows(batches)

    seconds = asyncio.get_running_loop().time() - killed_at
    print(
        f"killed with {done:.0f} of {BATCHES * COMPARISONS} answers with the others; ended {seconds:.1f} s later"
    )
    assert done < 0.9 * BATCHES * COMPARISONS, "the lot must not be over before anybody is killed"
    callbacks = await cluster.published(LLMComparisonResultV1, Topic.LLM_COMPARISON_RESULT)
    events = {one.event_id: one.data.request_id for one in callbacks if one.key in batches}
    assert sorted(Counter(events.values()).values()) == [1] * (BATCHES * COMPARISONS)
