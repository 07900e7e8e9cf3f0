"""A judging desk: the LLM Provider as this service meets it on the wire, under the tests' control.

It takes comparisons over real HTTP and answers with real result events, by Kafka or by signed HTTP, once or several
times, in any order, early or late: whatever a test wants to see survived.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from event_contracts import (
    ComparisonAccepted,
    ComparisonBatchAnswer,
    ComparisonBatchItem,
    ComparisonBatchRequest,
    ComparisonItemAnswer,
    ErrorCode,
    ErrorDetail,
    EventEnvelope,
    LLMComparisonResultV1,
    TokenUsage,
    Winner,
    read_fenced_pair,
)
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, request

ResultEnvelope = EventEnvelope[LLMComparisonResultV1]
Deliver = Callable[[ComparisonBatchItem, ResultEnvelope], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Vote:
    """What the desk says of a comparison: a winner, or an error."""

    winner: Winner | None = None
    error_code: ErrorCode | None = None
    cost_usd: Decimal = Decimal(0)


Judge = Callable[[ComparisonBatchItem], Vote]


def shown_texts(item: ComparisonBatchItem) -> tuple[str, str]:
    """The two texts that the judge sees."""
    return read_fenced_pair("\n".join(block.content for block in item.prompt_blocks or ()))


def longer_text_wins(item: ComparisonBatchItem) -> Vote:
    """Prefers the longer text, without fail."""
    text_a, text_b = shown_texts(item)
    return Vote(winner=Winner.ESSAY_A if len(text_a) > len(text_b) else Winner.ESSAY_B)


@dataclass
class Desk:
    """``taken`` holds every comparison by its idempotency key; answers come immediately, or on demand."""

    deliver: Deliver
    judge: Judge = longer_text_wins
    answers_immediately: bool = True
    copies: int = 1
    shuffled: bool = False
    is_full: bool = False
    taken: dict[str, ComparisonBatchItem] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    calls: int = 0
    cancelled: set[str] = field(default_factory=set)
    answers_cancelled: bool = True
    cost_of_cancelled: Decimal = Decimal(0)
    url: str = ""

    def tidy(self) -> None:
        """Forget everything, and judge immediately and honestly again."""
        fresh = Desk(self.deliver, url=self.url)
        self.__dict__.update(fresh.__dict__)

    async def take(self, items: Sequence[ComparisonBatchItem]) -> ComparisonBatchAnswer:
        """Accept comparisons, each once."""
        self.calls += 1
        fresh = [item for item in items if item.idempotency_key not in self.taken]
        for item in fresh:
            self.taken[item.idempotency_key or ""] = item
        if self.answers_immediately:
            asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(self.answer(fresh)))
        return ComparisonBatchAnswer(
            items=tuple(
                ComparisonItemAnswer(
                    accepted=ComparisonAccepted(queue_id=UUID(item.idempotency_key), message="queued")
                )
                for item in items
            )
        )

    def waiting(self) -> list[ComparisonBatchItem]:
        """Comparisons without an answer, in the order they came."""
        return [item for key, item in self.taken.items() if key not in self.answered]

    async def answer(self, items: Sequence[ComparisonBatchItem]) -> None:
        """Answer these, ``copies`` times each."""
        self.answered |= {item.idempotency_key or "" for item in items}
        answers = [(item, self.result(item)) for item in items] * self.copies
        if self.shuffled:
            random.Random(len(self.answered)).shuffle(answers)
        for item, envelope in answers:
            await self.deliver(item, envelope)

    async def end_cancelled(self, key: str) -> None:
        """The one answer to a cancelled request: an error, with what its call has cost."""
        self.answered.add(key)
        item = self.taken[key]
        vote = Vote(error_code=ErrorCode.PROCESSING_ERROR, cost_usd=self.cost_of_cancelled)
        await self.deliver(item, self.result(item, vote))

    def result(self, item: ComparisonBatchItem, vote: Vote | None = None) -> ResultEnvelope:
        """The result event of a comparison."""
        vote = vote or self.judge(item)
        now = datetime.now(UTC)
        overrides = item.llm_config_overrides
        provider = (overrides and overrides.provider_override) or "mock"
        model = (overrides and overrides.model_override) or "simulated"
        return EventEnvelope.wrap(
            LLMComparisonResultV1(
                request_id=item.idempotency_key or "",
                correlation_id=item.correlation_id or uuid4(),
                winner=vote.winner,
                justification="better developed" if vote.winner else None,
                confidence=4 if vote.winner else None,
                error_detail=None if vote.error_code is None else _error(item, vote.error_code),
                provider=provider,
                model=model,
                response_time_ms=12,
                token_usage=TokenUsage(prompt_tokens=900, completion_tokens=60, total_tokens=960),
                cost_estimate=vote.cost_usd,
                requested_at=now,
                completed_at=now,
                request_metadata={
                    **item.metadata,
                    "prompt_sha256": "0" * 64,
                    "resolved_provider": provider,
                    "resolved_model": model,
                },
            ),
            source_service="llm_provider_service",
            correlation_id=item.correlation_id or uuid4(),
            event_id=uuid4(),
        )


def _error(item: ComparisonBatchItem, code: ErrorCode) -> ErrorDetail:
    return ErrorDetail(
        error_code=code,
        message="the desk says no",
        correlation_id=item.correlation_id or uuid4(),
        timestamp=datetime.now(UTC),
        service="llm_provider_service",
        operation="judge",
    )


@asynccontextmanager
async def open_desk(deliver: Deliver) -> AsyncIterator[Desk]:
    """A desk on a port of its own until the context ends."""
    desk = Desk(deliver)
    app = Quart("desk")

    @app.post("/api/v1/comparisons")
    async def take() -> Response:
        if desk.is_full:
            return Response(b"{}", 503, {"Retry-After": "1"}, content_type="application/json")
        body = ComparisonBatchRequest.model_validate_json(await request.get_data())
        answer = await desk.take(body.comparisons)
        return Response(answer.model_dump_json(), 202, content_type="application/json")

    @app.post("/api/v1/requests/<request_id>/cancel")
    async def cancel(request_id: str) -> Response:
        if request_id not in desk.taken:
            return Response(b"{}", 404, content_type="application/json")
        desk.cancelled.add(request_id)
        if desk.answers_cancelled and request_id not in desk.answered:
            asyncio.get_running_loop().call_soon(
                lambda: asyncio.ensure_future(desk.end_cancelled(request_id))
            )
        return Response(b"{}", 202, content_type="application/json")

    listener = socket.create_server(("127.0.0.1", 0))
    desk.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    closing = asyncio.Event()
    serving = asyncio.create_task(serve(app, config, shutdown_trigger=closing.wait))
    try:
        yield desk
    finally:
        closing.set()
        await serving
