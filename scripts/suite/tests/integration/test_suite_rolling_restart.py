"""Every service is restarted, one replica after the other, while batches are judged: nobody outside sees an error.

As in a cluster, each service has an address behind which two replicas are, a replica leaves it shortly before it is
told to stop, and comes back when it is ready.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx2
import pytest
from batch_runner.assignment.contents import Assignment
from batch_runner.running.request import RunOptions
from batch_runner.wire.client import AssessmentClient
from event_contracts import AssessmentState
from service_kit.tests.tokens import bearer, signed_with_secret
from suite.embedded.postgres import PostgresServer
from suite.installed import PACKAGES
from suite.processes.batches import generated_essays, send_batch, wait_until_ended, write_qualities
from suite.processes.tokens import OwnToken
from suite.tests.both_services import both_services
from suite.tests.replicas import ReplicatedService, replicated

pytestmark = pytest.mark.slow

REPLICAS: Final = 2
COMPARISONS: Final = 60
LEAVING_SECONDS: Final = 0.5
"""Between a replica's leaving and SIGTERM, as the preStop hook of the Kubernetes manifests has it."""

OPTIONS: Final = RunOptions(max_comparisons=COMPARISONS, target_reliability=0.9999)
"""What is asked of every batch: batches of the same essays have the same pairs, and here the same answers."""

# The ranking must not depend on when answers come: stragglers are waited for, and no margins are stated, because large
# rounds of judges that state them do not wait for the last answers.
JUDGE: Final = {"simulated_seed": "3", "simulated_states_margin": "false"}
WAITS: Final[dict[str, Any]] = {"straggler_timeout": "PT1H"}
SLOW: Final = {"simulated_latency_ms": "400", "concurrency": "3"}

Ranking = Sequence[tuple[str, float]]


@pytest.fixture
def name() -> str:
    return f"roll{uuid4().hex[:8]}"


@pytest.fixture
def postgres(postgres_server: PostgresServer, name: str) -> Iterator[PostgresServer]:
    yield postgres_server
    for service in PACKAGES:
        postgres_server.drop_database(f"{name}_{service}")


async def rolled(service: ReplicatedService) -> list[int | None]:
    """Restart one replica after the other; returns the exit codes."""
    codes: list[int | None] = []
    for one in service.replicas:
        service.balancer.out_of_rotation.add(one.port)
        await asyncio.sleep(LEAVING_SECONDS)
        codes.append(await one.stop())
        await one.start()
        service.balancer.out_of_rotation.discard(one.port)
    return codes


@dataclass
class Caller:
    """Somebody who asks a service again and again, on a new connection each time, and notes every error."""

    ask: Callable[[httpx2.AsyncClient], Any]
    answered: int = 0
    errors: list[str] = field(default_factory=list)

    async def run(self) -> None:
        limits = httpx2.Limits(max_keepalive_connections=0)
        async with httpx2.AsyncClient(auth=OwnToken(), timeout=20, limits=limits) as http:
            while True:
                try:
                    answer = await self.ask(http)
                except httpx2.HTTPError as error:
                    self.errors.append(repr(error))
                else:
                    self.answered += 1
                    if not answer.is_success:
                        self.errors.append(f"{answer.request.url.path}: {answer.status_code} {answer.text}")
                await asyncio.sleep(0.2)


async def judged(url: str, assignment: Assignment, auth: httpx2.Auth) -> Ranking:
    """Have a batch of these essays judged; its ranking."""
    options = replace(OPTIONS, batch_uuid=uuid4())
    await send_batch(url, assignment, options, auth=auth)
    status = await wait_until_ended(url, options.batch_id, auth=auth)
    assert status.state is AssessmentState.COMPLETED
    assert status.progress.comparisons_judged == COMPARISONS
    async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
        result = (await AssessmentClient(http=http, base_url=url).results(options.batch_id)).result
    return [(essay.essay_id, essay.bt_score) for essay in result.essay_results]


class SharedToken(httpx2.Auth):
    """Shows an administrator's token to services that run in this process."""

    def auth_flow(self, request: httpx2.Request) -> Iterator[httpx2.Request]:  # type: ignore[override]  # answers are not looked at
        request.headers.update(bearer(signed_with_secret()))
        yield request


async def quiet_ranking(
    make_database: Callable[[str], str], assignment: Assignment, qualities: Path
) -> Ranking:
    """What the batch ends with where nothing is restarted."""
    judge = {**JUDGE, "simulated_quality_file": str(qualities)}
    async with both_services(
        make_database("roll_quiet_cj"), make_database("roll_quiet_llm"), provider=judge, **WAITS
    ) as services:
        return await judged(str(services.assessment.base_url).rstrip("/"), assignment, SharedToken())


def callers(services: dict[str, ReplicatedService]) -> list[Caller]:
    """One who asks each of the services."""
    assessment = services["cj_assessment"].balancer.url
    provider = services["llm_provider"].balancer.url
    conductor = services["batch_conductor"].balancer.url
    order = {
        "batch_id": "rolling",
        "requested_pipeline": "comprehensive",
        "correlation_id": "rolling",
        "batch_metadata": {"prompt_attached": True, "essay_count": 30},
    }
    return [
        Caller(lambda http: http.get(f"{assessment}/api/v1/batches")),
        Caller(lambda http: http.get(f"{provider}/api/v1/providers")),
        Caller(lambda http: http.post(f"{conductor}/internal/v1/pipelines/define", json=order)),
    ]


async def test_a_rolling_restart_of_every_service_is_seen_by_nobody(
    postgres: PostgresServer,
    kafka_bootstrap: str,
    make_database: Callable[[str], str],
    name: str,
    tmp_path: Path,
) -> None:
    assignment = generated_essays(24)
    qualities = write_qualities(assignment, tmp_path / "qualities.toml")
    expected = await quiet_ranking(make_database, assignment, qualities)

    settings = {
        "llm_provider": {**JUDGE, **SLOW, "simulated_quality_file": str(qualities)},
        "cj_assessment": {**WAITS, "default_provider": "mock"},
        "batch_conductor": {},
    }
    async with replicated(
        postgres, kafka_bootstrap, name=name, folder=tmp_path, settings=settings, count=REPLICAS
    ) as services:
        url = services["cj_assessment"].balancer.url
        asking = callers(services)
        tasks = [asyncio.create_task(one.run()) for one in asking]
        rolling = asyncio.gather(*(rolled(service) for service in services.values()))
        found = [await judged(url, assignment, OwnToken())]
        # A batch is under way at every moment of it, however fast this machine is.
        while not rolling.done():
            found.append(await judged(url, assignment, OwnToken()))
        codes = await rolling
        for task in tasks:
            task.cancel()

    print(f"restarts={sum(map(len, codes))} batches={len(found)} answered={[one.answered for one in asking]}")
    assert codes == [[0] * REPLICAS] * len(PACKAGES)
    assert [one.errors for one in asking] == [[], [], []]
    assert min(one.answered for one in asking) > 10
    assert [service.balancer.unanswered for service in services.values()] == [0, 0, 0]
    assert found == [expected] * len(found)
