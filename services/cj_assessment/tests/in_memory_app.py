"""The use cases on a store in memory, and the other services as fakes that behave."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cj_assessment.adapters.content import LocalContent
from cj_assessment.adapters.judge_catalogue import ManifestJudges
from cj_assessment.domain.batch import BatchRecord, Defaults, RequestEnvelope, TextRules
from cj_assessment.domain.comparison import AttemptPolicy
from cj_assessment.domain.contents import Fetched
from cj_assessment.ports import JudgeRequest, Recorded, Refusal, SubmissionRefused, Submitted
from cj_assessment.tests.building import RULES as DECISION_RULES
from cj_assessment.tests.building import request
from cj_assessment.tests.memory.rows import BatchRow
from cj_assessment.tests.memory.store import MemoryStore
from cj_assessment.use_cases.accept_request import AcceptRequest
from cj_assessment.use_cases.advance_batch import AdvanceBatches
from cj_assessment.use_cases.cancel_batch import CancelBatch
from cj_assessment.use_cases.expire_attempts import ExpireAttempts
from cj_assessment.use_cases.finish_batch import FinishBatch
from cj_assessment.use_cases.prepare_batch import PrepareBatch
from cj_assessment.use_cases.read_batch import ReadBatch
from cj_assessment.use_cases.record_results import RecordResults
from cj_assessment.use_cases.report_consumption import ReportConsumption
from cj_assessment.use_cases.shared.content_waiting import ContentTimeout
from cj_assessment.use_cases.store_content import StoreContent
from cj_assessment.use_cases.submit_comparisons import SubmitComparisons
from cj_assessment.use_cases.withdraw_attempts import WithdrawAttempts
from event_contracts import (
    BatchStatusView,
    ContentServiceError,
    ErrorCode,
    ErrorDetail,
    EventEnvelope,
    ExternalServiceError,
    InvalidCallback,
    LLMComparisonResultV1,
    TokenUsage,
    Winner,
)
from model_manifest import SimulatedPrice

POLICY = AttemptPolicy(
    max_attempts=2, answer_timeout=timedelta(minutes=10), resend_after=timedelta(seconds=30)
)
CONTENT_TIMEOUT = ContentTimeout(max_wait=timedelta(minutes=10))
RULES = TextRules(max_characters=2_000)
WORKING_ROUNDS = 200


@dataclass
class FakeLlmProvider:
    """Queues what it is sent, each idempotency key once; answers are read with ``result``."""

    queued: dict[str, JudgeRequest] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    is_away: bool = False
    is_full: bool = False
    largest_call: int = 500
    refuses: Callable[[JudgeRequest], bool] = field(default=lambda _request: False)
    forgets: bool = False

    async def submit(self, requests: Sequence[JudgeRequest]) -> Submitted:
        if self.is_away:
            raise ExternalServiceError("the LLM Provider does not answer: connection refused")
        self.calls.append(len(requests))
        if len(requests) > self.largest_call or any(self.refuses(request) for request in requests):
            raise SubmissionRefused("too large", error_code=ErrorCode.LLM_CONTENT_TOO_LONG)
        if self.is_full:
            full = [
                Refusal(attempt_id=request.attempt_id, error_code=ErrorCode.LLM_QUEUE_FULL, message="full")
                for request in requests
            ]
            return Submitted(accepted={}, refused=(), postponed=full)
        self.queued.update({f"request-{request.attempt_id}": request for request in requests})
        return Submitted(
            accepted={request.attempt_id: f"request-{request.attempt_id}" for request in requests}, refused=()
        )

    async def withdraw(self, request_id: str) -> bool:
        if self.is_away:
            raise ExternalServiceError("the LLM Provider does not answer: connection refused")
        self.withdrawn.append(request_id)
        return request_id in self.queued and not self.forgets


@dataclass(frozen=True)
class AllowedCallbacks:
    """Lets results be sent to one host."""

    host: str = "school.example"

    def check(self, url: str) -> None:
        if self.host not in url:
            raise InvalidCallback(f"{url} is not allowed")


@dataclass
class Counted:
    """Counts results."""

    total: Recorded = field(default_factory=Recorded)
    judged: int = 0

    def watch(self, recorded: Recorded, *, error_codes: Iterable[str | None]) -> None:
        self.total = recorded
        self.judged = sum(code is None for code in error_codes)


@dataclass
class CountedPrompts:
    """Counts tasks and rubrics that could not be fetched, by error code."""

    reasons: Counter[str] = field(default_factory=Counter)

    def prompt_unavailable(self, reason: str) -> None:
        self.reasons[reason] += 1


@dataclass
class ContentInReach:
    """A content store that can be away, or refuse what is large; what it takes is in ``bodies``."""

    own: LocalContent
    bodies: dict[str, bytes] = field(default_factory=dict)
    error: ContentServiceError | None = None

    async def fetch(self, storage_ids: Sequence[str], *, max_bytes: int) -> Fetched:
        return await self.own.fetch(storage_ids, max_bytes=max_bytes)

    async def store(self, body: bytes) -> str:
        if self.error is not None:
            raise self.error
        storage_id = f"kept-{len(self.bodies)}"
        self.bodies[storage_id] = body
        return storage_id


@dataclass
class Limits:
    """How large messages may be: the same on every topic."""

    max_bytes: int = 1_000_000

    async def max_message_bytes(self, topic: str) -> int:  # noqa: ARG002 - the port's
        return self.max_bytes


@dataclass
class UseCases:
    """All use cases of the service on one store."""

    store: MemoryStore = field(default_factory=MemoryStore)
    provider: FakeLlmProvider = field(default_factory=FakeLlmProvider)
    watcher: Counted = field(default_factory=Counted)
    prompts: CountedPrompts = field(default_factory=CountedPrompts)
    woken: Counter[str] = field(default_factory=Counter)
    limits: Limits = field(default_factory=Limits)
    price: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        judges = ManifestJudges(
            default_provider="mock",
            default_model=None,
            simulated_price=SimulatedPrice(input=self.price, output=self.price),
        )
        wake = self._wake
        self.accept = AcceptRequest(
            store=self.store,
            judges=judges,
            callbacks=AllowedCallbacks(),
            defaults=Defaults(target_reliability=0.8, deadline=timedelta(hours=1)),
            wake_prepare=wake("prepare"),
        )
        own = LocalContent(self.store)
        self.texts = ContentInReach(own)
        self.prepare = PrepareBatch(
            store=self.store,
            content=self.texts,
            judges=judges,
            rules=RULES,
            content_timeout=CONTENT_TIMEOUT,
            watcher=self.prompts,
            limits=self.limits,
            wake_advance=wake("advance"),
        )
        self.advance = AdvanceBatches(
            store=self.store,
            rules=DECISION_RULES,
            finish=FinishBatch(
                store=self.store,
                content=self.texts,
                own_content=own,
                limits=self.limits,
                content_timeout=CONTENT_TIMEOUT,
            ),
            wake_submit=wake("submit"),
            wake_withdraw=wake("withdraw"),
        )
        self.submit = SubmitComparisons(
            store=self.store,
            llm_provider=self.provider,
            policy=POLICY,
            wake_advance=wake("advance"),
            wake_submit=wake("submit"),
        )
        self.record = RecordResults(
            store=self.store,
            watcher=self.watcher,
            wake_advance=wake("advance"),
            wake_submit=wake("submit"),
            wake_report=wake("report"),
        )
        self.expire = ExpireAttempts(
            store=self.store,
            llm_provider=self.provider,
            policy=POLICY,
            wake_advance=wake("advance"),
            wake_submit=wake("submit"),
            wake_report=wake("report"),
        )
        self.withdraw = WithdrawAttempts(store=self.store, llm_provider=self.provider)
        self.report = ReportConsumption(store=self.store)
        self.cancel = CancelBatch(store=self.store, wake_advance=wake("advance"))
        self.read = ReadBatch(store=self.store, rules=DECISION_RULES)
        self.content = StoreContent(content=own)

    def _wake(self, worker: str) -> Callable[[], None]:
        def wake() -> None:
            self.woken[worker] += 1

        return wake

    async def ask(self, texts: dict[str, str | bytes], **wishes: Any) -> BatchRecord:
        """Post texts and request their assessment."""
        return await self.accept(await self.envelope(texts, **wishes))

    async def envelope(self, texts: dict[str, str | bytes], **wishes: Any) -> RequestEnvelope:
        """The request to assess these texts, which are posted."""
        storage = {
            name: await self.content(body.encode() if isinstance(body, str) else body)
            for name, body in texts.items()
        }
        return request(storage, **wishes)

    async def prepare_all(self) -> None:
        """Let the preparing worker do what is due."""
        for job_id in (await self.prepare.take(10)).keys:
            await self.prepare.handle(job_id)

    async def advance_all(self) -> None:
        """Let the advancing worker do what is due."""
        for job_id in (await self.advance.take(10)).keys:
            await self.advance.handle(job_id)

    async def submit_all(self) -> None:
        """Let the submitting worker do what is due."""
        keys = (await self.submit.take(500)).keys
        if keys:
            await self.submit.handle(keys)

    async def judging(self, texts: dict[str, str | bytes], **wishes: Any) -> BatchRecord:
        """A batch whose first round is with the LLM Provider."""
        batch = await self.ask(texts, **wishes)
        await self.prepare_all()
        await self.advance_all()
        await self.submit_all()
        return batch

    async def work(self, batch: BatchRecord) -> BatchStatusView:
        """Let all workers work until the batch has ended."""
        for _ in range(WORKING_ROUNDS):
            await self.prepare_all()
            await self.advance_all()
            await self.submit_all()
            await self.answer_all()
            status = await self.status(batch)
            if status.completed_at is not None:
                return status
        raise AssertionError(f"still {status.state} after {WORKING_ROUNDS} rounds")

    async def answer_all(self, **changes: Any) -> None:
        """Answer what is queued: the longer text wins."""
        queued, self.provider.queued = self.provider.queued, {}
        await self.record([result(name, request, **changes) for name, request in queued.items()])

    async def status(self, batch: BatchRecord) -> BatchStatusView:
        """The status of a batch as its requester reads it."""
        return await self.read.status(batch.batch_id)

    def row(self, batch: BatchRecord) -> BatchRow:
        """What is stored of a batch."""
        return self.store.state.batches[batch.job_id]


def result(
    request_id: str,
    request: JudgeRequest,
    *,
    error_code: ErrorCode | None = None,
    message: str = "no",
    cost_usd: Decimal = Decimal(0),
    metadata: dict[str, Any] | None = None,
) -> EventEnvelope[LLMComparisonResultV1]:
    """The answer of the LLM Provider to a request."""
    text_a, text_b = (block.content for block in request.blocks[-3:-1])
    winner = Winner.ESSAY_A if len(text_a) > len(text_b) else Winner.ESSAY_B
    now = datetime.now(UTC)
    return EventEnvelope.wrap(
        LLMComparisonResultV1(
            request_id=request_id,
            correlation_id=request.correlation_id,
            winner=None if error_code else winner,
            justification=None if error_code else "better developed",
            confidence=None if error_code else 4,
            error_detail=None
            if error_code is None
            else ErrorDetail(
                error_code=error_code,
                message=message,
                correlation_id=request.correlation_id,
                timestamp=now,
                service="llm_provider_service",
                operation="judge",
            ),
            provider="mock",
            model="simulated",
            response_time_ms=12,
            token_usage=TokenUsage(prompt_tokens=900, completion_tokens=60, total_tokens=960),
            cost_estimate=cost_usd,
            requested_at=now,
            completed_at=now,
            request_metadata={
                "essay_a_id": request.essay_a_id,
                "essay_b_id": request.essay_b_id,
                "bos_batch_id": request.batch_id,
                "attempt_id": str(request.attempt_id),
                "prompt_sha256": "0" * 64,
                "resolved_provider": "mock",
                "resolved_model": "simulated",
                **(metadata or {}),
            },
        ),
        source_service="llm_provider_service",
        correlation_id=request.correlation_id,
    )
