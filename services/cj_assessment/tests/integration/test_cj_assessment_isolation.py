"""One batch that cannot be worked on ends with its reason, and another one continues as if it were alone."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

import pytest
import pytest_asyncio
from cj_assessment.domain.deciding import Decision, Snapshot, decide
from cj_assessment.ports import JudgeRequest, LlmProvider, Submitted
from cj_assessment.tests.building import request
from cj_assessment.tests.postgres_fixtures import StoredInPostgres, stored
from cj_assessment.tests.serving import Assessment, over_http
from cj_assessment.use_cases import advance_batch
from cj_measurement import NotConverged
from dishka import Provider, Scope
from event_contracts import AssessmentState, BatchStatusView, ErrorCode, StopReason
from service_kit.tests.tokens import SHARED_SECRET, bearer, signed_with_secret
from service_kit.tests.waiting import eventually
from service_kit.work.failed_items import RetryRules

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS: dict[str, str | bytes] = {f"essay-{n}": "word " * (20 + 10 * n) for n in range(8)}
QUICK = RetryRules(max_attempts=3, first_delay=timedelta(milliseconds=50))


@dataclass
class Poisoned:
    """An LLM Provider that the service meets; submitting for a poisoned batch raises."""

    inner: LlmProvider | None = None
    batch_ids: set[str] = field(default_factory=set)

    async def submit(self, requests: Sequence[JudgeRequest]) -> Submitted:
        assert self.inner is not None
        if any(request.batch_id in self.batch_ids for request in requests):
            raise RuntimeError("this batch cannot be submitted")
        return await self.inner.submit(requests)

    async def withdraw(self, request_id: str) -> bool:
        assert self.inner is not None
        return await self.inner.withdraw(request_id)


@dataclass(frozen=True)
class Stage:
    """The service, and what stands behind it."""

    service: Assessment
    rows: StoredInPostgres
    provider: Poisoned

    async def start(self, texts: Mapping[str, str | bytes] = TEXTS) -> str:
        storage = await self.service.store_all(dict(texts))
        envelope = request(storage, hints={"target_reliability": 0.8})
        answer = await self.service.accept(envelope)
        assert answer.status_code == 202, answer.text
        return envelope.data.entity_id

    async def start_and_hold(self) -> str:
        """A batch whose first answers are outstanding."""
        self.service.fake_llm.answers_immediately = False
        known = len(self.service.fake_llm.taken)
        batch_id = await self.start()
        await eventually(lambda: len(self.service.fake_llm.taken) >= known + 8)
        return batch_id

    async def healthy(self) -> BatchStatusView:
        """A batch from its start to its end, whatever else there is."""
        self.service.fake_llm.answers_immediately = True
        return await self.service.until_ended(await self.start(), seconds=60)

    async def failed(self, batch_id: str, *, cause: str = ErrorCode.PROCESSING_ERROR) -> BatchStatusView:
        status = await self.service.until_ended(batch_id, seconds=60)
        assert status.state is AssessmentState.FAILED
        assert status.error is not None
        assert status.error.details["cause"] == cause
        return status


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(make_database: Callable[[str], str]) -> AsyncIterator[Stage]:
    provider, rules = Poisoned(), Provider(scope=Scope.APP)
    rules.provide(lambda: QUICK, provides=RetryRules)

    def poisonable(inner: LlmProvider) -> LlmProvider:
        provider.inner = inner
        return provider

    rules.decorate(poisonable, provides=LlmProvider)
    database = make_database("cj_isolation")
    async with (
        over_http(database, overrides=[rules], jwt_secret=SHARED_SECRET) as service,
        stored(database) as rows,
    ):
        yield Stage(service, rows, provider)


@pytest_asyncio.fixture(loop_scope="module")
async def stage(opened: Stage) -> AsyncIterator[Stage]:
    opened.service.fake_llm.tidy()
    opened.provider.batch_ids.clear()
    yield opened
    opened.service.fake_llm.answers_immediately = True
    await opened.service.cancel_all()


async def test_a_request_that_cannot_be_parsed_ends_its_batch_before_it_is_judged(stage: Stage) -> None:
    poisoned = await stage.rows.accepted()
    await stage.rows.backend.make_unreadable(poisoned.job_id)

    healthy = await stage.healthy()

    assert healthy.state is AssessmentState.COMPLETED
    await stage.failed(poisoned.batch_id)


async def test_a_request_that_cannot_be_parsed_does_not_keep_its_batch_from_being_cancelled(
    stage: Stage,
) -> None:
    batch_id = await stage.start_and_hold()
    [row] = await stage.rows.rows("SELECT id FROM assessment_batch WHERE batch_id = :id", id=batch_id)
    await stage.rows.backend.make_unreadable(row.id)

    shown = await stage.service.status(batch_id)
    answer = await stage.service.http.post(f"/api/v1/batches/{batch_id}/cancel")
    status = await stage.service.until_ended(batch_id)

    assert (shown.state, answer.status_code) == (AssessmentState.JUDGING, 202)
    assert (status.state, status.stop_reason) == (AssessmentState.CANCELLED, StopReason.CANCELLED)


@pytest.mark.parametrize(
    ("poison", "state"),
    [
        pytest.param(
            "UPDATE assessment_batch SET judges = '[{\"x\": 1}]' WHERE batch_id = :id",
            AssessmentState.FAILED,
            id="judges",
        ),
        pytest.param(
            "UPDATE assessment_batch SET grade_scale = 'none' WHERE batch_id = :id",
            AssessmentState.FAILED,
            id="scale",
        ),
        pytest.param(
            "UPDATE batch_essay SET signals = 'x' FROM assessment_batch AS batch"
            " WHERE batch.id = job_id AND batch_id = :id",
            AssessmentState.FAILED,
            id="signals",
        ),
        pytest.param(
            "UPDATE assessment_batch SET callback_url = 'https://xn--' || chr(8232) || '.example/',"
            " cancelled_at = now(), next_check_at = now() WHERE batch_id = :id",
            AssessmentState.CANCELLED,
            id="callback host",
        ),
    ],
)
async def test_a_row_that_cannot_be_read_ends_its_batch_and_no_other(
    stage: Stage, poison: str, state: AssessmentState
) -> None:
    batch_id = await stage.start_and_hold()
    await stage.rows.execute(poison, id=batch_id)
    await stage.rows.execute(
        "UPDATE assessment_batch SET next_check_at = now() WHERE batch_id = :id", id=batch_id
    )

    healthy = await stage.healthy()
    status = await stage.service.until_ended(batch_id, seconds=60)

    assert healthy.state is AssessmentState.COMPLETED
    assert status.state is state
    assert status.error is not None


async def test_a_batch_that_was_set_aside_is_finished_once_an_operator_has_mended_and_replayed_it(
    stage: Stage,
) -> None:
    batch_id = await stage.start_and_hold()
    [row] = await stage.rows.rows("SELECT id, judges FROM assessment_batch WHERE batch_id = :id", id=batch_id)
    await stage.rows.execute(
        "UPDATE assessment_batch SET judges = '[{}]', next_check_at = now() WHERE batch_id = :id", id=batch_id
    )
    await stage.failed(batch_id)
    admin, http = bearer(signed_with_secret()), stage.service.http
    listed = (await http.get("/admin/v1/set-aside", headers=admin)).json()["items"]
    [item] = [item for item in listed if item["item"] == str(row.id)]

    await stage.rows.execute(
        "UPDATE assessment_batch SET judges = CAST(:judges AS jsonb) WHERE batch_id = :id",
        id=batch_id,
        judges=json.dumps(row.judges),
    )
    stage.service.fake_llm.answers_immediately = True
    answer = await http.post(f"/admin/v1/set-aside/{item['worker']}/{item['item']}/replay", headers=admin)
    status = await stage.service.until_ended(batch_id, seconds=60)

    assert (item["worker"], answer.status_code) == ("advance", 202)
    assert status.state is AssessmentState.COMPLETED
    remaining = (await http.get("/admin/v1/set-aside?worker=advance", headers=admin)).json()["items"]
    assert str(row.id) not in [item["item"] for item in remaining]


async def test_a_batch_that_cannot_be_submitted_ends_and_the_others_are_submitted_in_the_same_step(
    stage: Stage,
) -> None:
    stage.service.fake_llm.is_full = True
    poisoned = await stage.start()
    stage.provider.batch_ids.add(poisoned)
    await _until_planned(stage, poisoned)
    stage.service.fake_llm.is_full = False

    healthy = await stage.healthy()

    assert healthy.state is AssessmentState.COMPLETED
    assert "cannot be submitted" in str((await stage.failed(poisoned)).error)


async def _until_planned(stage: Stage, batch_id: str) -> None:
    async with asyncio.timeout(30):
        while not (await stage.service.status(batch_id)).progress.comparisons_waiting:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.02)


async def test_a_fit_that_does_not_settle_ends_its_batch_and_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def undecided(snapshot: Snapshot) -> Decision:
        if len(snapshot.essays) > len(TEXTS) and snapshot.judged:
            raise NotConverged("the steps do not settle")
        return decide(snapshot)

    monkeypatch.setattr(advance_batch, "decide", undecided)
    poisoned = await stage.start({**TEXTS, "one-more": "word " * 40})

    healthy = await stage.healthy()

    assert healthy.state is AssessmentState.COMPLETED
    assert "do not settle" in str((await stage.failed(poisoned)).error)


async def test_a_slow_fit_delays_no_other_batch(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    released, slow = threading.Event(), set[int]()

    def slowly(snapshot: Snapshot) -> Decision:
        if not snapshot.asked and not slow:
            slow.add(snapshot.seed)
            released.wait(120)
        return decide(snapshot)

    monkeypatch.setattr(advance_batch, "decide", slowly)
    blocked = await stage.start()
    await eventually(lambda: bool(slow))
    try:
        began = monotonic()
        healthy = await stage.healthy()
        took = monotonic() - began
    finally:
        released.set()

    assert healthy.state is AssessmentState.COMPLETED
    assert (await stage.service.until_ended(blocked)).state is AssessmentState.COMPLETED
    assert took < 60
